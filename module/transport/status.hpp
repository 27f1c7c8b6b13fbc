// Status of a gRPC call, as its trailers say it
// (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md).
#ifndef ESTIMATORD_TRANSPORT_STATUS_HPP
#define ESTIMATORD_TRANSPORT_STATUS_HPP

#include <chrono>
#include <cstddef>
#include <string>

namespace estimatord {

// The codes that are told apart here; any other number is carried as it is
// (https://github.com/grpc/grpc/blob/master/doc/statuscodes.md).
constexpr int kStatusOk = 0;
constexpr int kStatusDeadlineExceeded = 4;
constexpr int kStatusUnavailable = 14;

// Name of a status code as gRPC spells it; "code 99" for one it does not know.
std::string statusName(int code);

// Reads the value of a grpc-status trailer: digits only, at most three.
bool parseStatus(const std::string& value, int* code);

// A grpc-message is for a human: longer ones are cut.
constexpr std::size_t kMaxStatusMessage = 512;

// Undoes the percent-encoding of a grpc-message. A broken escape is kept as it
// stands, as the specification asks. Control characters become spaces, so that
// a message cannot forge lines of the agent's log.
std::string decodeStatusMessage(const std::string& value);

// The value of a grpc-timeout header: at most eight digits and a unit.
std::string formatTimeout(std::chrono::milliseconds timeout);

}  // namespace estimatord

#endif  // ESTIMATORD_TRANSPORT_STATUS_HPP
