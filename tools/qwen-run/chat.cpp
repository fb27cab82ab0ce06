// chat: many turns in a terminal.
#include <unistd.h>
#include <csignal>
#include <cstdio>
#include <memory>
#include <optional>

#include "common/program.h"
#include "common/terminal.h"
#include "qwen-run/commands.h"
#include "qwen-run/conversation.h"
#include "qwen-run/line_editor.h"
#include "qwen-run/transcript.h"

namespace qwen_run {
namespace {

struct Flags : GenerationFlags {
  TextInput input;
  ChatFlags chat;
  bool no_history = false;
};

// Ctrl-C while the model answers: the first one stops the answer, the second one the program.
const qwen::CancelToken* answer_in_progress = nullptr;

void on_interrupt(int) {
  if (!answer_in_progress || answer_in_progress->cancelled()) _exit(128 + SIGINT);
  answer_in_progress->cancel();
}

class InterruptGuard {
 public:
  explicit InterruptGuard(const qwen::CancelToken& cancel) {
    answer_in_progress = &cancel;
    struct sigaction action = {};
    action.sa_handler = on_interrupt;
    sigaction(SIGINT, &action, &previous_);
  }
  ~InterruptGuard() {
    sigaction(SIGINT, &previous_, nullptr);
    answer_in_progress = nullptr;
  }
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;

 private:
  struct sigaction previous_ = {};
};

constexpr const char* kHelp =
    "/reset          forget the conversation\n"
    "/system [TEXT]  show the system prompt, or set it and start anew\n"
    "/stats          tokens, speed and memory\n"
    "/save FILE      write the conversation as JSON\n"
    "/load FILE      go on with a saved conversation\n"
    "/exit           leave (also Ctrl-D; Ctrl-C stops an answer, a second one leaves)\n"
    "A line that ends with \\ goes on in the next one; a message that begins with / needs a space before "
    "it.\n";

class Repl {
 public:
  Repl(const Flags& flags, const qwen::Model& model)
      : flags_(flags),
        session_(model, flags.session.get()),
        conversation_(session_, flags.chat),
        editor_(flags.no_history ? std::string() : default_history_path()) {}

  int run(std::string first) {
    say("%s, %d tokens of context; /help lists the commands\n", session_.model().info().name.c_str(),
        session_.context());
    if (!first.empty()) reply(std::move(first));
    std::string line;
    while (read_message(line)) {
      if (line.find_first_not_of(" \t") == std::string::npos) continue;
      editor_.remember(line);
      if (line[0] != '/') {
        reply(std::move(line));
      } else if (!obey(line)) {
        break;
      }
    }
    return tools::kExitOk;
  }

 private:
  // What is no answer goes to stderr.
  template <class... Values>
  static void say(const char* format, Values... values) {
    std::fprintf(stderr, format, values...);
    std::fflush(stderr);
  }

  // False at the end: Ctrl-D, or the second Ctrl-C in a row.
  bool read_message(std::string& message) {
    message.clear();
    std::string line;
    for (;;) {
      switch (editor_.read(message.empty() ? "> " : "... ", line)) {
        case LineEditor::Result::end: return false;
        case LineEditor::Result::interrupted:
          if (interrupted_) return false;
          interrupted_ = true;
          message.clear();
          say("Ctrl-C again or /exit leaves\n");
          continue;
        case LineEditor::Result::line: break;
      }
      interrupted_ = false;
      message += line;
      if (message.empty() || message.back() != '\\') return true;
      message.back() = '\n';
    }
  }

  void reply(std::string text) {
    text.erase(0, text.find_first_not_of(' '));
    conversation_.add_user(std::move(text));
    try {
      qwen::GenerateOptions options = flags_.answer.options(session_.model());
      const int reserve = std::min(options.max_new_tokens, session_.context() / 4);
      int dropped = 0;
      const auto prompt = conversation_.prompt(reserve, &dropped);
      if (dropped > 0 && flags_.chat.turns != 0)
        say("[the oldest %d turns do not fit any more and are left out]\n", dropped);
      const InterruptGuard guard(options.cancel);
      last_ = answer(session_, prompt, options, flags_, 0);
      interrupted_ = options.cancel.cancelled();
      if (last_->text.empty() && interrupted_) {
        conversation_.drop_last();
      } else {
        conversation_.add_assistant(last_->text);
      }
    } catch (const qwen::Error& error) {
      conversation_.drop_last();
      say("error: %s%s\n", error.what(),
          error.code() == qwen::ErrorCode::context_full ? "; /reset starts anew, -c N gives more context"
                                                        : "");
    }
  }

  // False for /exit.
  bool obey(const std::string& line) {
    const std::size_t space = line.find_first_of(" \t");
    const std::string name = line.substr(0, space);
    const std::size_t begin = space == std::string::npos ? space : line.find_first_not_of(" \t", space);
    const std::string argument = begin == std::string::npos ? "" : line.substr(begin);
    if (name == "/exit" || name == "/quit") return false;
    try {
      if (name == "/help") {
        say("%s", kHelp);
      } else if (name == "/reset") {
        reset();
      } else if (name == "/system") {
        set_system(argument);
      } else if (name == "/stats") {
        show_stats();
      } else if (name == "/save") {
        save(argument);
      } else if (name == "/load") {
        load(argument);
      } else {
        say("unknown command %s; /help lists them\n", name.c_str());
      }
    } catch (const std::exception& error) {
      say("error: %s\n", error.what());
    }
    return true;
  }

  void reset() {
    const auto& messages = conversation_.messages();
    const bool own = !messages.empty() && messages.front().role == "system";
    conversation_.start(own ? messages.front().content : "", own);
    say("the conversation is forgotten\n");
  }

  void set_system(const std::string& text) {
    if (text.empty()) {
      say("%s\n", std::string(conversation_.system()).c_str());
      return;
    }
    conversation_.start(text, true);
    say("the system prompt is set, the conversation begins anew\n");
  }

  void show_stats() {
    say("%d of %d tokens of context in use, cache %.1f MB, weights %.1f MB, %d threads\n",
        session_.position(), session_.context(), static_cast<double>(session_.kv_bytes()) / 1e6,
        static_cast<double>(session_.model().weight_bytes()) / 1e6, session_.model().threads());
    if (last_) say("last answer: %s\n", timing_line(*last_).c_str());
  }

  void save(const std::string& path) {
    if (path.empty()) throw tools::UsageError("/save needs a file name");
    save_transcript(path, session_.model().info().name, conversation_.messages());
    say("saved to %s\n", path.c_str());
  }

  void load(const std::string& path) {
    if (path.empty()) throw tools::UsageError("/load needs a file name");
    auto messages = load_transcript(path);
    session_.model().chat_template().render(messages);  // refuses what is no conversation
    conversation_.load(std::move(messages));
    say("loaded %zu messages from %s\n", conversation_.messages().size(), path.c_str());
  }

  const Flags& flags_;
  qwen::Session session_;
  Conversation conversation_;
  LineEditor editor_;
  std::optional<qwen::GenerateResult> last_;
  bool interrupted_ = false;  // the last thing that happened was a Ctrl-C
};

int chat(const Flags& flags) {
  flags.answer.check();
  if (tools::stdin_is_terminal() && tools::stdout_is_terminal()) {
    if (flags.json) throw tools::UsageError("--json gives one answer: qwen-run --json TEXT");
    const std::string first = flags.input.given() ? flags.input.read(true) : "";
    const qwen::Model model = tools::load_model(flags.model);
    return Repl(flags, model).run(first);
  }
  // Without a terminal: one message, one answer.
  if (!flags.input.given() && tools::stdin_is_terminal())
    throw tools::UsageError("chat needs a terminal for its output; for one answer: qwen-run TEXT > FILE");
  const std::string text = flags.input.read(true);
  if (text.empty())
    throw tools::UsageError(
        "chat has no terminal, and its input is empty: give a message, as in: qwen-run \"你好\"");
  return ask_once(text, flags, flags.chat);
}

}  // namespace

std::function<int()> chat_command(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  flags->input.add(app, "The first message; without a terminal the only one");
  flags->chat.add(app, flags->model);
  flags->add(app);
  app.add_option("--turns", flags->chat.turns,
                 "Earlier turns that the model sees (all that fit); 0: every message is the first")
      ->check(tools::between(-1, tools::kMaxInt))
      ->type_name("N")
      ->group("Answer");
  app.add_flag("--no-history", flags->no_history, "Neither read nor write the history of typed lines")
      ->group("Input");
  return [flags] { return chat(*flags); };
}

}  // namespace qwen_run
