// Fuzz target: a whole answer as the transport reads it. The first byte says
// how the rest is cut into pieces; the rest is header lines up to an empty one,
// then the body, as if the peer had sent them.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "transport/answer.hpp"
#include "transport/wire.hpp"

namespace {

// Small, so that inputs find it.
constexpr std::size_t kLimit = 256;

void require(bool holds) {
  if (!holds) {
    std::abort();
  }
}

// Takes header lines off the front of `text`, which starts after them then.
void feedHeaders(estimatord::Answer* answer, std::string* text) {
  for (;;) {
    const std::size_t end = text->find('\n');
    const std::string line =
        end == std::string::npos ? *text : text->substr(0, end + 1);
    text->erase(0, line.size());
    if (line.empty() || line == "\n") {
      return;
    }
    answer->header(line.data(), line.size());
  }
}

void decode(const std::string& message) {
  std::string text;
  std::string error;
  const bool asEstimate = estimatord::decodeEstimate(message, &text, &error);
  require(text.size() <= message.size());
  require(asEstimate || !error.empty());

  std::vector<std::string> corrections;
  error.clear();
  if (estimatord::decodeCorrections(message, &corrections, &error)) {
    // The two readings agree on what protobuf is, and on the last value.
    require(asEstimate);
    require(corrections.empty() ? text.empty() : corrections.back() == text);
  } else {
    require(!error.empty());
  }
  require(corrections.size() <= estimatord::kMaxCorrections);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(
    const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  const std::size_t piece = std::size_t{1} + (data[0] & 0x3f);
  const auto end = static_cast<estimatord::TransferEnd>(data[0] >> 6);
  std::string rest(reinterpret_cast<const char*>(data) + 1, size - 1);

  // The body alone, as if the headers were fine.
  decode(rest);

  estimatord::Answer answer(kLimit);
  feedHeaders(&answer, &rest);
  for (std::size_t at = 0; at < rest.size(); at += piece) {
    const std::string part = rest.substr(at, piece);
    if (!answer.body(part.data(), part.size())) {
      break;
    }
  }
  const estimatord::Outcome outcome = answer.finish(end, "broken");
  if (outcome.answered()) {
    require(outcome.message.size() <= kLimit);
    require(end == estimatord::TransferEnd::kWhole);
    require(outcome.status == estimatord::kStatusOk);
    decode(outcome.message);
  } else {
    require(!outcome.error.empty());
    require(outcome.error.find('\n') == std::string::npos);
    require(outcome.message.empty());
  }
  return 0;
}
