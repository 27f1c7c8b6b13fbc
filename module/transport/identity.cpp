#include "transport/identity.hpp"

#include <cstddef>
#include <random>

#ifndef ESTIMATORD_VERSION
#define ESTIMATORD_VERSION "unknown"
#endif

namespace estimatord {
namespace {

// Version 4 (random) of RFC 9562, section 5.4.
std::string randomUuid() {
  static const char kHex[] = "0123456789abcdef";
  // Dashes stand before the digits 8, 12, 16 and 20.
  constexpr std::size_t kDigits = 32;
  std::random_device random;
  std::string uuid;
  for (std::size_t i = 0; i < kDigits; ++i) {
    if (i == 8 || i == 12 || i == 16 || i == 20) {
      uuid.push_back('-');
    }
    unsigned digit = random() & 0xf;
    if (i == 12) {
      digit = 4;
    } else if (i == 16) {
      digit = 8 | (digit & 3);
    }
    uuid.push_back(kHex[digit]);
  }
  return uuid;
}

}  // namespace

// Never destroyed: a call may still be in flight while the process exits.
const std::string& agentId() {
  static const std::string* const id = new std::string(randomUuid());
  return *id;
}

const std::string& userAgent() {
  static const std::string* const agent =
      new std::string("estimatord-module/" ESTIMATORD_VERSION);
  return *agent;
}

}  // namespace estimatord
