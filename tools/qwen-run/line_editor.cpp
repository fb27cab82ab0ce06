#include "qwen-run/line_editor.h"

#include <histedit.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string_view>

namespace qwen_run {

struct LineEditor::State {
  EditLine* editor = nullptr;
  History* history = nullptr;
  std::string history_path, prompt;
  std::vector<std::string> words;  // that Tab completes
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

// Terminals mark pasted text. Its line breaks become part of the line instead of ending it.
constexpr const char* kPasteBegin = "\033[200~";
constexpr std::wstring_view kPasteEnd = L"\033[201~";
constexpr const char* kMarkPastes = "\033[?2004h";
constexpr const char* kDoNotMarkPastes = "\033[?2004l";

unsigned char paste(EditLine* editor, int) {
  std::wstring text;
  for (wchar_t c; !text.ends_with(kPasteEnd) && el_wgetc(editor, &c) == 1;) text += c;
  if (text.ends_with(kPasteEnd)) text.resize(text.size() - kPasteEnd.size());
  std::wstring shown;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == L'\r')
      shown += i + 1 < text.size() && text[i + 1] == L'\n' ? L"" : L"\n";
    else if (text[i] == L'\n' || text[i] == L'\t' || (text[i] >= L' ' && text[i] != 0x7F))
      shown += text[i];
  }
  if (shown.empty()) return CC_REFRESH;
  return el_winsertstr(editor, shown.c_str()) == 0 ? CC_REFRESH : CC_ERROR;
}

// Completes the first word, as far as all that begin so agree.
unsigned char complete_word(EditLine* editor, int) {
  const LineInfoW* line = el_wline(editor);
  std::string typed;
  for (const wchar_t* c = line->buffer; c != line->cursor; ++c)
    typed += *c < 0x80 ? static_cast<char>(*c) : '?';
  std::string common;
  std::size_t found = 0;
  for (const std::string& word : state_of(editor)->words) {
    if (typed.empty() || !word.starts_with(typed)) continue;
    if (found++ == 0) common = word;
    while (!word.starts_with(common)) common.pop_back();
  }
  if (found == 0) return CC_ERROR;
  std::string rest = common.substr(typed.size()) + (found == 1 ? " " : "");
  if (rest.empty()) return CC_ERROR;
  return el_insertstr(editor, rest.c_str()) == 0 ? CC_REFRESH : CC_ERROR;
}

void write_terminal(const char* text) {
  std::fputs(text, stdout);
  std::fflush(stdout);
}

}  // namespace

HiddenKeys::HiddenKeys() {
  if (tcgetattr(STDIN_FILENO, &before_) != 0) return;
  termios quiet = before_;
  quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO | ICANON);
  changed_ = tcsetattr(STDIN_FILENO, TCSADRAIN, &quiet) == 0;
}

HiddenKeys::~HiddenKeys() {
  if (changed_) tcsetattr(STDIN_FILENO, TCSADRAIN, &before_);
}

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
  el_wset(s.editor, EL_ADDFN, L"qwen-paste", L"Take pasted text as one piece", paste);
  el_set(s.editor, EL_BIND, kPasteBegin, "qwen-paste", nullptr);
  el_wset(s.editor, EL_ADDFN, L"qwen-complete", L"Complete a command", complete_word);
  el_set(s.editor, EL_BIND, "^I", "qwen-complete", nullptr);
  el_source(s.editor, nullptr);  // the user's own ~/.editrc
}

LineEditor::~LineEditor() {
  if (state_->editor) el_end(state_->editor);
  if (state_->history) history_end(state_->history);
}

void LineEditor::complete(std::vector<std::string> words) {
  state_->words = std::move(words);
}

LineEditor::Result LineEditor::read(const std::string& prompt, std::string& line, const std::string& text) {
  State& s = *state_;
  s.prompt = prompt;
  s.interrupted = false;
  line.clear();
  int count = 0;
  // As if it were pasted: it may have line breaks.
  if (!text.empty()) el_push(s.editor, (kPasteBegin + text + "\033[201~").c_str());
  write_terminal(kMarkPastes);
  const char* typed = el_gets(s.editor, &count);
  write_terminal(kDoNotMarkPastes);
  if (s.interrupted || !typed || count <= 0) {
    std::fputs("\n", stdout);
    std::fflush(stdout);
    return s.interrupted ? Result::interrupted : Result::end;
  }
  line.assign(typed, static_cast<std::size_t>(count));
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
