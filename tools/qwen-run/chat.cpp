// chat: many turns in a terminal.
#include <cstdio>
#include <filesystem>
#include <limits>
#include <memory>
#include <optional>
#include <utility>

#include "common/program.h"
#include "common/terminal.h"
#include "qwen-run/answer.h"
#include "qwen-run/commands.h"
#include "qwen-run/interrupt.h"
#include "qwen-run/line_editor.h"
#include "qwen-run/transcript.h"

namespace qwen_run {
namespace {

struct ChatCommandFlags : GenerationFlags {
  TextInput input;
  ChatFlags chat;
  int turns = -1;  // earlier turns that the model sees; -1: all that fit
  bool no_history = false;
  std::string load;  // a saved conversation
};

constexpr const char* kHelp =
    "/retry          answer the last message again\n"
    "/edit           change the last message and send it again\n"
    "/reset          forget the conversation\n"
    "/system [TEXT]  show the system prompt, or set it and start again\n"
    "/think [on|off|N]  whether the model thinks before it answers, and for how many tokens\n"
    "/stats          tokens, speed and memory\n"
    "/save FILE      write the conversation as JSON\n"
    "/load FILE      show and continue a saved conversation\n"
    "/help, /?       this list\n"
    "/bye, /exit     leave (also Ctrl-D; Ctrl-C stops an answer, a second one leaves)\n"
    "A pasted text is one message. Lines between \"\"\" and \"\"\" are one, too, and a line that ends with "
    "\\ continues "
    "in the next. A message that begins with / needs a space before it.\n";

constexpr const char* kChatCommands[] = {"/retry", "/edit", "/reset", "/system", "/think", "/stats", "/save",
                                         "/load",  "/help", "/?",     "/bye",    "/exit",  "/quit"};
constexpr std::string_view kBlock = "\"\"\"";

// An empty conversation.
qwen::Chat make_chat(const ChatCommandFlags& flags, const qwen::Model& model,
                     const std::optional<std::string>& system) {
  const qwen::GenerateOptions answer = flags.answer.options(model);
  const qwen::SessionOptions session = flags.session.get();
  qwen::EngineOptions engine;
  engine.background = false;
  engine.context = session.context;
  engine.kv_type = session.kv_type;
  engine.max_sequences = 1;
  engine.prefill_tokens = engine.prefill_tokens_while_decoding = session.prefill_chunk;
  engine.prefix_bytes = std::numeric_limits<std::size_t>::max();  // the conversation, however long
  qwen::Task task;
  task.name = "chat";
  task.kind = qwen::TaskKind::generate;
  task.user_template = "{text}";
  task.history = true;
  qwen::ChatOptions options;
  options.history_turns = flags.turns < 0 ? std::numeric_limits<int>::max() : flags.turns;
  options.max_new_tokens = answer.max_new_tokens;
  options.sampling = answer.sampling;
  options.system = system;
  options.thinking = flags.chat.thinking();
  options.thought_tokens = flags.chat.thought_tokens();
  return qwen::Chat(std::make_shared<qwen::Engine>(model, engine), task, options);
}

// The end of an answer in a conversation: the speed is shown by -v and /stats only, an early end always.
void end_answer(const qwen::GenerateResult& result, const ChatCommandFlags& flags) {
  if (result.text.empty() || result.text.back() != '\n') tools::stream_out("\n");
  switch (result.finish) {
    case qwen::FinishReason::length: std::fputs("[stopped by -n]\n", stderr); break;
    case qwen::FinishReason::context_full:
      std::fputs("[stopped: context full, increase it with -c]\n", stderr);
      break;
    case qwen::FinishReason::cancelled: std::fputs("[stopped]\n", stderr); break;
    default: break;
  }
  if (flags.model.verbose) std::fprintf(stderr, "%s\n", timing_line(result).c_str());
}

class Repl {
 public:
  Repl(const ChatCommandFlags& flags, const qwen::Model& model)
      : flags_(flags),
        model_(model),
        system_(flags.chat.system),
        chat_(make_chat(flags, model, system_)),
        editor_(flags.no_history ? std::string() : default_history_path()) {
    editor_.complete({std::begin(kChatCommands), std::end(kChatCommands)});
  }

  int run(std::string first) {
    say("%s, %d tokens of context; /help lists the commands\n", model_.info().name.c_str(),
        chat_.engine()->options().context);
    if (!flags_.load.empty()) load(flags_.load);
    if (!first.empty()) answer(std::move(first));
    std::string line;
    while (read_message(line)) {
      if (line.find_first_not_of(" \t") == std::string::npos) continue;
      editor_.remember(line);
      if (line[0] != '/') {
        if (edited_) remove_last_turn();
        answer(std::move(line));
      } else if (!obey(line)) {
        break;
      }
    }
    return tools::kExitOk;
  }

 private:
  // Prints on stderr: stdout carries only answers.
  template <class... Values>
  static void say(const char* format, Values... values) {
    std::fprintf(stderr, format, values...);
    std::fflush(stderr);
  }

  // False at the end: Ctrl-D, or the second Ctrl-C in a row.
  bool read_message(std::string& message) {
    message.clear();
    bool in_block = false;  // between """ and """
    std::string line;
    for (;;) {
      const std::string text = edited_ && message.empty() ? chat_.turns().back().user : "";
      switch (editor_.read(message.empty() && !in_block ? "> " : "... ", line, text)) {
        case LineEditor::Result::end: return false;
        case LineEditor::Result::interrupted:
          if (interrupted_) return false;
          interrupted_ = true;
          edited_ = in_block = false;
          message.clear();
          say("Ctrl-C again or /exit leaves\n");
          continue;
        case LineEditor::Result::line: break;
      }
      interrupted_ = false;
      try {
        message += tools::to_utf8(line, tools::Encoding::utf8, "input");
      } catch (const qwen::Error& error) {
        say("%s\n", error.what());
        message.clear();
        in_block = false;
        continue;
      }
      if (!in_block && message.starts_with(kBlock)) {
        message.erase(0, kBlock.size());
        in_block = true;
      }
      if (in_block && message.ends_with(kBlock)) {
        message.resize(message.size() - kBlock.size());
        while (message.ends_with('\n')) message.pop_back();
        message.erase(0, message.find_first_not_of('\n'));
        if (message.starts_with('/')) message.insert(0, " ");  // a text, not a command
        return true;
      }
      if (in_block) {
        message += '\n';
      } else if (message.ends_with('\\')) {
        message.back() = '\n';
      } else {
        return true;
      }
    }
  }

  // Keys that are typed during the answer do not appear in it.
  void answer(std::string text) {
    const HiddenKeys hidden;
    reply(std::move(text));
  }

  void reply(std::string text) {
    text.erase(0, text.find_first_not_of(' '));
    try {
      const qwen::GenerateOptions answer = flags_.options(model_);
      qwen::SayOptions options;
      options.stop = answer.stop;
      options.constraint = answer.constraint;
      options.seed = answer.sampling->seed;
      const int dropped = chat_.prompt(text).dropped_turns;
      if (dropped > 0 && flags_.turns != 0)
        say("[the oldest %d turns no longer fit and are left out]\n", dropped);
      tools::ProgressBar bar("reading", !flags_.model.no_progress);
      options.on_wait = [&](const qwen::JobProgress& progress) {
        bar.update(static_cast<double>(progress.prompt_done) / progress.prompt_total);
        if (progress.prompt_done == progress.prompt_total) bar.finish();
      };
      const InterruptGuard guard(options.cancel);
      {
        AnswerStream stream;
        options.on_reasoning = [&](std::string_view part) {
          bar.finish();
          stream.thought(part);
        };
        const auto on_text = [&](std::string_view part) {
          bar.finish();
          stream.text(part);
        };
        last_reply_ = chat_.say(text, on_text, options);
      }
      last_ = last_reply_->generation;
      end_answer(*last_, flags_);
      interrupted_ = options.cancel.cancelled();
      if (last_reply_->text.empty() && interrupted_) {  // drop the unanswered turn
        std::vector<qwen::ChatTurn> turns = chat_.turns();
        turns.pop_back();
        chat_.set_turns(std::move(turns));
      }
    } catch (const qwen::Error& error) {
      say("error: %s%s\n", error.what(),
          error.code() == qwen::ErrorCode::context_full ? "; /reset starts again, -c N sets a larger context"
                                                        : "");
    }
  }

  // False for /exit.
  bool obey(const std::string& line) {
    const std::size_t space = line.find_first_of(" \t");
    const std::string name = line.substr(0, space);
    const std::size_t begin = space == std::string::npos ? space : line.find_first_not_of(" \t", space);
    const std::string argument = begin == std::string::npos ? "" : line.substr(begin);
    edited_ = false;
    if (name == "/exit" || name == "/quit" || name == "/bye") return false;
    try {
      if (name == "/help" || name == "/?") {
        say("%s", kHelp);
      } else if (name == "/retry") {
        retry();
      } else if (name == "/edit") {
        last_turn();
        edited_ = true;
      } else if (name == "/think") {
        set_thinking(argument);
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

  const qwen::ChatTurn& last_turn() const {
    if (chat_.turns().empty()) throw tools::UsageError("there is no message yet");
    return chat_.turns().back();
  }

  void remove_last_turn() {
    std::vector<qwen::ChatTurn> turns = chat_.turns();
    turns.pop_back();
    chat_.set_turns(std::move(turns));
    edited_ = false;
  }

  void retry() {
    std::string text = last_turn().user;
    remove_last_turn();
    answer(std::move(text));
  }

  void set_thinking(const std::string& value) {
    if (!value.empty()) {
      if (const std::string problem = ThinkFlags::think_problem(value); !problem.empty())
        throw tools::UsageError("/think: " + problem);
      ChatCommandFlags changed = flags_;
      changed.chat.think = value;
      changed.chat.check(model_);
      flags_ = changed;
      std::vector<qwen::ChatTurn> turns = chat_.turns();
      begin(system_);
      chat_.set_turns(std::move(turns));
    }
    const int limit = flags_.chat.thought_tokens();
    if (limit >= 0)
      say("thinking is on, for %d tokens at most\n", limit);
    else
      say("thinking is %s\n", flags_.chat.thinking() ? "on" : "off");
  }

  void reset() {
    chat_.set_turns({});
    say("conversation reset\n");
  }

  void begin(std::optional<std::string> system) {
    chat_ = make_chat(flags_, model_, system);
    system_ = std::move(system);
  }

  void set_system(const std::string& text) {
    if (text.empty()) {
      say("%s\n", system_ ? system_->c_str() : "no system prompt is set: the model's chat template chooses");
      return;
    }
    begin(text);
    say("system prompt set, conversation reset\n");
  }

  void show_stats() {
    const int used = last_reply_ ? last_reply_->prompt_tokens + static_cast<int>(last_->tokens.size()) : 0;
    say("%d of %d tokens of context in use, cache %.1f MB, weights %.1f MB, %d threads\n", used,
        chat_.engine()->options().context, static_cast<double>(chat_.engine()->counters().kv_bytes) / 1e6,
        static_cast<double>(model_.weight_bytes()) / 1e6, model_.threads());
    if (last_) say("last answer: %s\n", timing_line(*last_).c_str());
  }

  void save(const std::string& path) {
    if (path.empty()) throw tools::UsageError("/save needs a file name");
    if (std::filesystem::is_regular_file(path)) {  // a device or a pipe has nothing to lose
      std::string line;
      if (editor_.read(path + " exists. Overwrite it? [y/N] ", line) != LineEditor::Result::line ||
          (line != "y" && line != "Y" && line != "yes")) {
        say("not saved\n");
        return;
      }
    }
    save_transcript(path, model_.info().name, {system_, chat_.turns()});
    say("saved to %s\n", path.c_str());
  }

  void load(const std::string& path) {
    if (path.empty()) throw tools::UsageError("/load needs a file name");
    Transcript transcript = load_transcript(path);
    if (transcript.system != system_) begin(std::move(transcript.system));
    const std::size_t messages = 2 * transcript.turns.size() + (system_ ? 1 : 0);
    for (const qwen::ChatTurn& turn : transcript.turns)
      tools::stream_out("> " + tools::printable_lines(turn.user) + "\n" +
                        tools::printable_lines(turn.assistant) + "\n");
    chat_.set_turns(std::move(transcript.turns));
    say("loaded %zu messages from %s\n", messages, path.c_str());
  }

  ChatCommandFlags flags_;
  const qwen::Model model_;
  std::optional<std::string> system_;  // not the model's own
  qwen::Chat chat_;
  LineEditor editor_;
  std::optional<qwen::ChatReply> last_reply_;
  std::optional<qwen::GenerateResult> last_;
  bool edited_ = false;       // the next message replaces the last one
  bool interrupted_ = false;  // the last thing that happened was a Ctrl-C
};

int chat(const ChatCommandFlags& flags) {
  flags.check();
  if (tools::stdin_is_terminal() && tools::stdout_is_terminal()) {
    if (flags.json) throw tools::UsageError("--json gives one answer: qwen-run --json TEXT");
    const std::string first = flags.input.given() ? flags.input.read(true) : "";
    const qwen::Model model = tools::load_model(flags.model);
    flags.chat.check(model);
    return Repl(flags, model).run(first);
  }
  // Without a terminal: one message, one answer.
  if (!flags.load.empty()) throw tools::UsageError("--load needs a terminal");
  if (!flags.input.given() && tools::stdin_is_terminal())
    throw tools::UsageError("chat needs a terminal for its output; for one answer: qwen-run TEXT > FILE");
  const std::string text = flags.input.read(true);
  if (text.empty()) throw tools::UsageError("no terminal and empty input; for one answer: qwen-run \"你好\"");
  return ask_once(text, flags, flags.chat);
}

}  // namespace

std::function<int()> chat_command(tools::CommandLine& app) {
  auto flags = std::make_shared<ChatCommandFlags>();
  flags->input.add(app, "The first message; without a terminal the only one");
  flags->chat.add(app, flags->model);
  flags->add(app);
  app.add("--turns", flags->turns,
          "Earlier turns that the model sees (all that fit); 0: every message is the first")
      .range(-1, tools::kMaxInt)
      .type("N")
      .group("Answer");
  app.add("--load", flags->load, "Continue a conversation that /save wrote").type("FILE").group("Input");
  app.add_flag("--no-history", flags->no_history, "Neither read nor write the history of typed lines")
      .group("Input");
  return [flags] { return chat(*flags); };
}

}  // namespace qwen_run
