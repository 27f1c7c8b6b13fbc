// The length-prefixed message of gRPC over HTTP/2
// (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md):
// one byte "compressed", four bytes big-endian length, the message.
#ifndef ESTIMATORD_TRANSPORT_FRAME_HPP
#define ESTIMATORD_TRANSPORT_FRAME_HPP

#include <cstddef>
#include <string>

namespace estimatord {

constexpr std::size_t kPrefixBytes = 5;

// Starts a frame: room for the prefix, to be filled in by finishFrame once the
// message is appended. The message is then copied once, not twice.
std::string startFrame();

// Writes the prefix of a frame begun with startFrame. False when the message
// is longer than the four bytes of the prefix can say.
bool finishFrame(std::string* frame);

// Reads the body of a unary answer, in pieces of any size: exactly one
// uncompressed message of at most `limit` bytes.
class FrameReader {
 public:
  explicit FrameReader(std::size_t limit) : limit_(limit) {}

  // Takes the next bytes. False once the body cannot become a good one, with
  // the reason in error(); what follows is not looked at.
  bool append(const char* data, std::size_t size);

  // Whether no byte has come yet: an answer of trailers only.
  bool empty() const { return prefix_.empty(); }

  // Whether the one message is there as a whole.
  bool complete() const {
    return error_.empty() && prefix_.size() == kPrefixBytes &&
           message_.size() == length_;
  }

  const std::string& error() const { return error_; }
  std::string& message() { return message_; }

 private:
  bool refuse(const std::string& reason);

  const std::size_t limit_;
  std::string prefix_;
  std::size_t length_ = 0;
  std::string message_;
  std::string error_;
};

}  // namespace estimatord

#endif  // ESTIMATORD_TRANSPORT_FRAME_HPP
