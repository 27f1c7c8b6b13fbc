// Who is calling.
#ifndef ESTIMATORD_TRANSPORT_IDENTITY_HPP
#define ESTIMATORD_TRANSPORT_IDENTITY_HPP

#include <string>

namespace estimatord {

// A random UUID, made once per process and sent with each call. ResourceUsage
// does not say which agent it is of; this tells the daemon one agent's two
// connections from two agents that share a socket by mistake.
const std::string& agentId();

// "estimatord-module/<version>".
const std::string& userAgent();

}  // namespace estimatord

#endif  // ESTIMATORD_TRANSPORT_IDENTITY_HPP
