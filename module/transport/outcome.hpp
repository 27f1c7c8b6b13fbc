// How a call ended.
#ifndef ESTIMATORD_TRANSPORT_OUTCOME_HPP
#define ESTIMATORD_TRANSPORT_OUTCOME_HPP

#include <string>

#include "transport/status.hpp"

namespace estimatord {

enum class Ending {
  kAnswered,     // Status OK and one whole message.
  kRefused,      // The daemon answered with another status.
  kUnreachable,  // No connection, or it broke before the answer was whole.
  kLate,         // The deadline passed.
  kCancelled,    // By the caller, or because the channel was closed.
  kMalformed,    // What came is not a gRPC answer to this call.
};

struct Outcome {
  Ending ending = Ending::kUnreachable;
  // grpc-status; meaningful when answered or refused.
  int status = kStatusOk;
  // The message, when answered.
  std::string message;
  // One line for the log, when not answered.
  std::string error;

  bool answered() const { return ending == Ending::kAnswered; }

  // Whether the daemon may be back soon as if nothing had happened: it is
  // late, gone or restarting, as opposed to wrong.
  bool passing() const {
    return ending == Ending::kUnreachable || ending == Ending::kLate ||
           ending == Ending::kCancelled ||
           (ending == Ending::kRefused && (status == kStatusUnavailable ||
                                           status == kStatusDeadlineExceeded));
  }
};

}  // namespace estimatord

#endif  // ESTIMATORD_TRANSPORT_OUTCOME_HPP
