#include "transport/answer.hpp"

#include <utility>

#include "transport/status.hpp"

namespace estimatord {
namespace {

// Longest header value that is looked at: an encoded grpc-message of the most
// that is kept of it.
constexpr std::size_t kMaxValue = 3 * kMaxStatusMessage + 3;

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool blank(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

// The media type without its parameters, in lower case.
std::string mediaType(const std::string& value) {
  std::string result;
  for (const char c : value) {
    if (c == ';' || blank(c)) {
      break;
    }
    result.push_back(lower(c));
  }
  return result;
}

// "application/grpc" alone means protobuf; another codec would be named.
bool isGrpc(const std::string& contentType) {
  const std::string type = mediaType(contentType);
  return type == "application/grpc" || type == "application/grpc+proto";
}

// What the log may show of a header that the peer chose.
std::string quoted(const std::string& value) {
  constexpr std::size_t kShown = 64;
  return '"' + decodeStatusMessage(value.substr(0, kShown)) + '"';
}

}  // namespace

void Answer::header(const char* line, std::size_t size) {
  anyHeader_ = true;
  while (size > 0 && blank(line[size - 1])) {
    --size;
  }
  const std::string text(line, size);

  // "HTTP/2 200": a new header block. What an interim (1xx) one said is void.
  if (text.compare(0, 5, "HTTP/") == 0) {
    httpStatus_ = 0;
    contentType_.clear();
    haveStatus_ = false;
    statusText_.clear();
    statusMessage_.clear();
    const std::size_t space = text.find(' ');
    int code = 0;
    if (space != std::string::npos &&
        parseStatus(text.substr(space + 1, 3), &code)) {
      httpStatus_ = code;
    }
    return;
  }

  const std::size_t colon = text.find(':');
  if (colon == std::string::npos) {
    return;
  }
  std::string name;
  for (std::size_t i = 0; i < colon; ++i) {
    name.push_back(lower(text[i]));
  }
  std::size_t start = colon + 1;
  while (start < text.size() && blank(text[start])) {
    ++start;
  }
  const std::string value = text.substr(start, kMaxValue);

  if (name == "content-type") {
    contentType_ = value;
  } else if (name == "grpc-status") {
    haveStatus_ = true;
    statusText_ = value;
  } else if (name == "grpc-message") {
    statusMessage_ = value;
  }
}

bool Answer::body(const char* data, std::size_t size) {
  // The body of an error page is not a gRPC message and is not read as one.
  if (httpStatus_ != 200 || !isGrpc(contentType_)) {
    return false;
  }
  return body_.append(data, size);
}

Outcome Answer::finish(TransferEnd end, const std::string& reason) {
  Outcome outcome;

  // Wrong from the first line on, however it ended.
  if (end == TransferEnd::kGarbled) {
    return malformed(reason);
  }
  if (httpStatus_ != 0 && httpStatus_ != 200) {
    return malformed("HTTP status " + std::to_string(httpStatus_));
  }
  if (httpStatus_ == 200 && !isGrpc(contentType_)) {
    return malformed("content-type " + quoted(contentType_));
  }
  if (!body_.error().empty()) {
    return malformed(body_.error());
  }

  int status = kStatusOk;
  if (haveStatus_ && !parseStatus(statusText_, &status)) {
    return malformed("grpc-status " + quoted(statusText_));
  }
  // A refusal counts even when the stream is then reset: a server does that to
  // a request that it has not read to its end.
  if (haveStatus_ && status != kStatusOk) {
    outcome.ending = Ending::kRefused;
    outcome.status = status;
    outcome.error = "refused with " + statusName(status);
    if (!statusMessage_.empty()) {
      outcome.error += ": " + decodeStatusMessage(statusMessage_);
    }
    return outcome;
  }

  switch (end) {
    case TransferEnd::kTimeout:
      outcome.ending = Ending::kLate;
      outcome.error = "no answer in time";
      return outcome;
    case TransferEnd::kBroken:
      outcome.ending = Ending::kUnreachable;
      outcome.error = reason;
      return outcome;
    case TransferEnd::kGarbled:
    case TransferEnd::kWhole:
      break;
  }

  if (!haveStatus_) {
    return malformed("no grpc-status");
  }
  if (body_.empty()) {
    return malformed("status OK without a message");
  }
  if (!body_.complete()) {
    return malformed("a message cut short");
  }
  outcome.ending = Ending::kAnswered;
  outcome.message = std::move(body_.message());
  return outcome;
}

Outcome Answer::malformed(const std::string& why) const {
  Outcome outcome;
  outcome.ending = Ending::kMalformed;
  outcome.error = "not an answer: " + why;
  return outcome;
}

}  // namespace estimatord
