// A session file. The input is read as it is, and once more with the hash, the magic number and the model's
// fingerprint put right, so that what stands behind them is reached. A refused file must leave the session as
// it was.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "base/atomic_file.h"
#include "fuzz/memory_file.h"
#include "qwen/error.h"
#include "qwen/session.h"

using namespace qwen;

namespace {

constexpr int kContext = 64;
constexpr std::size_t kFingerprintAt = 8, kHeader = 40;

Session make_session() {
  LoadOptions load;
  load.threads = 1;
  SessionOptions options;
  options.context = kContext;
  return Session(Model::load(QWEN_TEST_DATA "/tiny.gguf", load), options);
}

void try_load(Session& session, const std::vector<std::uint8_t>& bytes) {
  const std::vector<Token> before(session.tokens().begin(), session.tokens().end());
  try {
    session.load(fuzz::MemoryFile(bytes.data(), bytes.size()).path());
  } catch (const Error& error) {
    if (error.code() == ErrorCode::internal) std::abort();
    if (!std::equal(before.begin(), before.end(), session.tokens().begin(), session.tokens().end()))
      std::abort();
    return;
  }
  if (session.position() > kContext) std::abort();
  for (const Token token : session.tokens())
    if (token < 0 || token >= session.model().shape().embedding_rows) std::abort();
  // What was read is a session that can be gone on with, whatever numbers it holds.
  if (session.position() < kContext) {
    const Token token = 1;
    session.forward({&token, 1});
  }
  session.rewind(session.position() / 2);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Session session = make_session();
  std::vector<std::uint8_t> bytes(data, data + size);
  try_load(session, bytes);
  if (size < kHeader + sizeof(std::uint64_t)) return 0;
  std::memcpy(bytes.data(), "QWENKV01", kFingerprintAt);
  const std::uint64_t fingerprint = session.model().fingerprint();
  std::memcpy(bytes.data() + kFingerprintAt, &fingerprint, sizeof fingerprint);
  const std::uint64_t hash = fnv1a(bytes.data(), size - sizeof(std::uint64_t));
  std::memcpy(bytes.data() + size - sizeof hash, &hash, sizeof hash);
  try_load(session, bytes);
  return 0;
}
