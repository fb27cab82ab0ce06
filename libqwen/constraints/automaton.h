// Running a program: the sets of threads that a text leads to.
#pragma once
#include <array>
#include <bitset>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "constraints/program.h"
#include "constraints/string_lexer.h"

namespace qwen::constraints {

enum class Spelling {
  generated,  // one spelling of each value
  any,        // all that JSON allows
};

// What can follow a text: a number that stands for a set of threads. Texts with the same future mostly have the same
// one.
using Config = std::int32_t;
inline constexpr Config kDead = -1;

// A thread is a state of the program with a stack of callers. All threads of a text run side by side; those with the
// same state share one stack node, so that alternatives never multiply. Steps are remembered. One thread of the
// process at a time.
class Automaton {
 public:
  Automaton(std::shared_ptr<const Program> program, Spelling spelling);

  Config start() const noexcept { return start_; }  // kDead: nothing is accepted
  Config step(Config config, unsigned char byte);
  Config run(Config config, std::string_view text);  // step by step

  bool accepts(Config config) const noexcept { return configs_[index(config)].accepts; }
  // Bytes of the shortest text that leads to acceptance.
  Cost cost(Config config) const noexcept { return configs_[index(config)].cost; }
  // That text: always the same one for a configuration, and each of its ends is that of the configuration there.
  std::string shortest(Config config);
  // The bytes that may come next.
  std::bitset<256> next_bytes(Config config);
  // The bytes that must come next: as long as there is one possibility and the text may not end.
  std::string forced(Config config, std::size_t limit);

  // How a configuration that is inside a string without an automaton can go on with characters: any `free` ones.
  // kUnlimited: any number. No value if it is not inside such a string, or in the middle of a character.
  // `alone`: there is no other thread.
  struct PlainString {
    bool inside = false, alone = false;
    std::uint32_t free = 0;
    bool long_enough = false;  // the string may end: characters do not change its shortest ending
  };
  PlainString plain_string(Config config) const noexcept;
  // In the middle of a character or an escape.
  bool in_character(Config config) const noexcept;

  // Forgets everything but `config`, which gets a new number. Configurations are never forgotten otherwise.
  Config compact(Config config);
  std::size_t size() const noexcept { return configs_.size(); }

 private:
  using FrameId = std::uint32_t;
  struct Thread {
    StateId state;
    std::uint32_t counter;  // items, characters or the state of a string's automaton
    PartialChar partial;
    FrameId frame;
    friend auto operator<=>(const Thread&, const Thread&) = default;
  };
  struct Link {  // where a rule returns to
    StateId state;
    std::uint32_t counter;
    FrameId parent;
    friend auto operator<=>(const Link&, const Link&) = default;
  };
  struct Frame {
    std::vector<Link> links;  // sorted
    Cost cost = 0;            // from the end of the rule to the end of the text
  };
  struct ConfigData {
    std::vector<Thread> threads;  // sorted
    bool accepts = false;
    Cost cost = kImpossible;
    std::unique_ptr<std::array<Config, 256>> next;
  };
  static constexpr Config kUnknown = -2;
  static std::size_t index(Config config) noexcept { return static_cast<std::size_t>(config); }

  Cost limit() const noexcept { return spelling_ == Spelling::any ? kImpossible : kReadOnlyCost; }
  Cost string_cost(const StringBody& body, const Thread& thread) const noexcept;
  Cost thread_cost(const Thread& thread) const noexcept;
  FrameId frame(std::vector<Link> links);
  FrameId merged(FrameId a, FrameId b);

  // The threads of the next configuration are collected in pending_.
  void push(Thread thread);
  void enter(RuleId rule, const Link& link);
  void step_thread(const Thread& thread, unsigned char byte);
  void step_string(const Thread& thread, unsigned char byte);
  Config intern();
  void candidates(const Thread& thread, std::bitset<256>& out) const;

  std::shared_ptr<const Program> program_;
  Spelling spelling_;
  std::vector<Frame> frames_;
  std::map<std::vector<Link>, FrameId> frame_ids_;
  std::vector<ConfigData> configs_;
  std::map<std::pair<bool, std::vector<Thread>>, Config> config_ids_;
  Config start_ = kDead;

  std::vector<Thread> pending_;
  std::vector<Thread> visited_;  // states passed without reading
  bool pending_accepts_ = false;
};

}  // namespace qwen::constraints
