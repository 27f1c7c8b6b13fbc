#include "transport/frame.hpp"

#include <algorithm>
#include <cstdint>

namespace estimatord {

std::string startFrame() {
  return std::string(kPrefixBytes, '\0');
}

bool finishFrame(std::string* frame) {
  if (frame->size() - kPrefixBytes > UINT32_MAX) {
    return false;
  }
  const auto length = static_cast<std::uint32_t>(frame->size() - kPrefixBytes);
  for (unsigned i = 0; i < 4; ++i) {
    (*frame)[1 + i] = static_cast<char>((length >> (24 - 8 * i)) & 0xff);
  }
  return true;
}

bool FrameReader::append(const char* data, std::size_t size) {
  if (!error_.empty()) {
    return false;
  }

  if (prefix_.size() < kPrefixBytes) {
    const std::size_t take = std::min(size, kPrefixBytes - prefix_.size());
    prefix_.append(data, take);
    data += take;
    size -= take;
    if (prefix_.size() < kPrefixBytes) {
      return true;
    }
    // No grpc-accept-encoding was sent, so nothing may be compressed.
    if (prefix_[0] != 0) {
      return refuse("a compressed message, which was not asked for");
    }
    for (unsigned i = 1; i < kPrefixBytes; ++i) {
      length_ = (length_ << 8) | static_cast<unsigned char>(prefix_[i]);
    }
    if (length_ > limit_) {
      return refuse(
          "a message of " + std::to_string(length_) + " bytes, more than " +
          std::to_string(limit_));
    }
  }

  if (size > length_ - message_.size()) {
    return refuse("bytes after the message");
  }
  message_.append(data, size);
  return true;
}

bool FrameReader::refuse(const std::string& reason) {
  error_ = reason;
  message_.clear();
  return false;
}

}  // namespace estimatord
