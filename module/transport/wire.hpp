// The two protobuf messages of estimatord.agent.v1 as they look on the wire.
//
// libmesos carries its own protobuf with visible symbols, and a second copy in
// one process aborts it. The requests and answers have a single field each, so
// they are written and read by hand here. A bytes, a string and an
// embedded-message field look the same on the wire
// (https://protobuf.dev/programming-guides/encoding/).
#ifndef ESTIMATORD_TRANSPORT_WIRE_HPP
#define ESTIMATORD_TRANSPORT_WIRE_HPP

#include <cstddef>
#include <string>
#include <vector>

namespace estimatord {

// Appends EstimateRequest or CorrectionsRequest: field 1, a serialised
// mesos.ResourceUsage.
void appendUsageRequest(const std::string& usage, std::string* out);

// More corrections than any agent has executors: an answer with more is wrong.
constexpr std::size_t kMaxCorrections = 4096;

// Reads EstimateResponse: field 1, the resource text. Absent is empty, the
// last one counts, unknown fields are skipped. False, with the reason in
// `error`, when `message` is not protobuf.
bool decodeEstimate(
    const std::string& message, std::string* text, std::string* error);

// Reads CorrectionsResponse: repeated field 1, each a serialised
// mesos.slave.QoSCorrection. Otherwise as decodeEstimate.
bool decodeCorrections(
    const std::string& message,
    std::vector<std::string>* corrections,
    std::string* error);

}  // namespace estimatord

#endif  // ESTIMATORD_TRANSPORT_WIRE_HPP
