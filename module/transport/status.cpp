#include "transport/status.hpp"

#include <algorithm>

namespace estimatord {
namespace {

const char* const kNames[] = {
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED"};
constexpr int kNameCount = static_cast<int>(sizeof(kNames) / sizeof(kNames[0]));

// The value of a hexadecimal digit, -1 for anything else.
int hexDigit(char c) {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  if (c >= 'a' && c <= 'f') {
    return c - 'a' + 10;
  }
  if (c >= 'A' && c <= 'F') {
    return c - 'A' + 10;
  }
  return -1;
}

bool isControl(unsigned char c) {
  return c < 0x20 || c == 0x7f;
}

}  // namespace

std::string statusName(int code) {
  if (code >= 0 && code < kNameCount) {
    return kNames[code];
  }
  return "code " + std::to_string(code);
}

bool parseStatus(const std::string& value, int* code) {
  if (value.empty() || value.size() > 3) {
    return false;
  }
  int result = 0;
  for (const char c : value) {
    if (c < '0' || c > '9') {
      return false;
    }
    result = result * 10 + (c - '0');
  }
  *code = result;
  return true;
}

std::string decodeStatusMessage(const std::string& value) {
  std::string result;
  for (std::size_t i = 0; i < value.size(); ++i) {
    if (result.size() == kMaxStatusMessage) {
      return result + "...";
    }
    char c = value[i];
    if (c == '%' && value.size() - i > 2) {
      const int high = hexDigit(value[i + 1]);
      const int low = hexDigit(value[i + 2]);
      if (high >= 0 && low >= 0) {
        c = static_cast<char>(high * 16 + low);
        i += 2;
      }
    }
    result.push_back(isControl(static_cast<unsigned char>(c)) ? ' ' : c);
  }
  return result;
}

std::string formatTimeout(std::chrono::milliseconds timeout) {
  // 99999999 ms are 27 hours, more than any call here may take. A timeout that
  // has run out is sent as the shortest there is: 0 is not allowed.
  constexpr std::chrono::milliseconds::rep kMost = 99999999;
  const auto count = std::max<std::chrono::milliseconds::rep>(
      1, std::min(kMost, timeout.count()));
  return std::to_string(count) + "m";
}

}  // namespace estimatord
