#include "qwen-run/line_editor.h"

#include <histedit.h>
#include <sys/stat.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

namespace qwen_run {

struct LineEditor::State {
  EditLine* editor = nullptr;
  History* history = nullptr;
  std::string history_path, prompt;
  bool interrupted = false;
};

namespace {

LineEditor::State* state_of(EditLine* editor) {
  void* data = nullptr;
  el_get(editor, EL_CLIENTDATA, &data);
  return static_cast<LineEditor::State*>(data);
}

char* prompt_of(EditLine* editor) {
  return state_of(editor)->prompt.data();
}

unsigned char interrupt(EditLine* editor, int) {
  state_of(editor)->interrupted = true;
  return CC_EOF;
}

unsigned char suspend(EditLine* editor, int) {
  el_set(editor, EL_PREP_TERM, 0);
  std::raise(SIGTSTP);
  el_set(editor, EL_PREP_TERM, 1);
  return CC_REDISPLAY;
}

}  // namespace

LineEditor::LineEditor(std::string history_path) : state_(std::make_unique<State>()) {
  State& s = *state_;
  s.history_path = std::move(history_path);
  s.history = history_init();
  HistEvent event;
  history(s.history, &event, H_SETSIZE, 1000);
  history(s.history, &event, H_SETUNIQUE, 1);
  if (!s.history_path.empty()) history(s.history, &event, H_LOAD, s.history_path.c_str());
  s.editor = el_init("qwen-run", stdin, stdout, stderr);
  el_set(s.editor, EL_CLIENTDATA, &s);
  el_set(s.editor, EL_PROMPT, prompt_of);
  el_set(s.editor, EL_EDITOR, "emacs");
  el_set(s.editor, EL_HIST, history, s.history);
  // The wide API: the narrow one leaks a copy of each text.
  el_wset(s.editor, EL_ADDFN, L"qwen-interrupt", L"Leave the line", interrupt);
  // While a line is edited, Ctrl-C is a key and no signal; while the model answers, it is a signal.
  el_set(s.editor, EL_SETTY, "-d", "-isig", nullptr);
  el_set(s.editor, EL_BIND, "^C", "qwen-interrupt", nullptr);
  el_wset(s.editor, EL_ADDFN, L"qwen-suspend", L"Stop the program as the shell does", suspend);
  el_set(s.editor, EL_BIND, "^Z", "qwen-suspend", nullptr);
  el_source(s.editor, nullptr);  // the user's own ~/.editrc
}

LineEditor::~LineEditor() {
  if (state_->editor) el_end(state_->editor);
  if (state_->history) history_end(state_->history);
}

LineEditor::Result LineEditor::read(const std::string& prompt, std::string& line) {
  State& s = *state_;
  s.prompt = prompt;
  s.interrupted = false;
  line.clear();
  int count = 0;
  const char* text = el_gets(s.editor, &count);
  if (s.interrupted || !text || count <= 0) {
    std::fputs("\n", stdout);
    std::fflush(stdout);
    return s.interrupted ? Result::interrupted : Result::end;
  }
  line.assign(text, static_cast<std::size_t>(count));
  while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.pop_back();
  return Result::line;
}

void LineEditor::remember(const std::string& line) {
  HistEvent event;
  history(state_->history, &event, H_ENTER, line.c_str());
  if (state_->history_path.empty()) return;
  // Conversations are private.
  const mode_t previous = umask(0077);
  history(state_->history, &event, H_SAVE, state_->history_path.c_str());
  umask(previous);
}

std::string default_history_path() {
  namespace fs = std::filesystem;
  const char* state = std::getenv("XDG_STATE_HOME");
  const char* home = std::getenv("HOME");
  fs::path folder;
  if (state && *state) {
    folder = state;
  } else if (home && *home) {
    folder = fs::path(home) / ".local" / "state";
  } else {
    return {};
  }
  folder /= "qwen-run";
  std::error_code error;
  fs::create_directories(folder, error);
  return error ? std::string() : (folder / "history").string();
}

}  // namespace qwen_run
