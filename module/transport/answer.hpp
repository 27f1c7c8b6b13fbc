// One answer as it arrives: header lines and body pieces in, an Outcome out.
#ifndef ESTIMATORD_TRANSPORT_ANSWER_HPP
#define ESTIMATORD_TRANSPORT_ANSWER_HPP

#include <cstddef>
#include <string>

#include "transport/frame.hpp"
#include "transport/outcome.hpp"

namespace estimatord {

// What ended the transfer underneath, from the answer's point of view.
enum class TransferEnd {
  kWhole,    // Both sides closed the stream in good order.
  kTimeout,  // The deadline passed.
  kBroken,   // The connection or the stream broke, or was never there.
  kGarbled,  // The peer does not speak HTTP/2.
};

class Answer {
 public:
  explicit Answer(std::size_t limit) : body_(limit) {}

  // Takes one line of headers or trailers, with its line end, starting with
  // the status line.
  void header(const char* line, std::size_t size);

  // Takes the next bytes of the body; false to stop the transfer.
  bool body(const char* data, std::size_t size);

  // Whether no line of an answer has come.
  bool nothingCame() const { return !anyHeader_; }

  // Judges the whole. `reason` is what the transfer says about its end.
  Outcome finish(TransferEnd end, const std::string& reason);

 private:
  Outcome malformed(const std::string& why) const;

  bool anyHeader_ = false;
  int httpStatus_ = 0;
  std::string contentType_;
  bool haveStatus_ = false;
  std::string statusText_;
  std::string statusMessage_;
  FrameReader body_;
};

}  // namespace estimatord

#endif  // ESTIMATORD_TRANSPORT_ANSWER_HPP
