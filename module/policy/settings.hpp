// The parameters of a module in the agent's --modules file.
#ifndef ESTIMATORD_POLICY_SETTINGS_HPP
#define ESTIMATORD_POLICY_SETTINGS_HPP

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "policy/clock.hpp"

namespace estimatord {

struct Settings {
  // Unix socket of the daemon.
  std::string socket = "/run/estimatord/agent.sock";

  // From when the agent asks to when it has its answer: its own usage and the
  // daemon's answer must both come within it. Too short, and a loaded node
  // loses its offer for no reason; too long, and a hung daemon keeps the old
  // one alive for as long. The daemon itself answers from memory, in under a
  // millisecond; most of it is for the agent, which reads every container.
  milliseconds timeout{2000};

  // How long the last good estimate may be repeated while the daemon is late
  // or gone; 0 is never. Each change of the estimate rescinds offers
  // (master.cpp:8033 of 1.12), so a daemon that restarts costs the framework
  // its offers twice unless this bridges it: then it must be longer than
  // --oversubscribed_resources_interval. But a daemon that is dead is obeyed
  // for as long.
  milliseconds staleGrace{0};

  // Kinds of resources that may be offered, whatever the daemon says.
  std::set<std::string> kinds{"cpus", "mem"};
};

using Parameters = std::vector<std::pair<std::string, std::string>>;

// Reads the parameters. False, with one line in `error` that names the
// parameter and what is allowed, when one is unknown, repeated or bad: the
// agent drops unknown keys of its own file silently, this must not.
bool parseSettings(
    const Parameters& parameters, Settings* settings, std::string* error);

// Reads a duration as the agent's flags spell it: a number and one of ns, us,
// ms, secs, mins, hrs; "s" and "m" are taken for secs and mins.
bool parseDuration(const std::string& text, milliseconds* duration);

}  // namespace estimatord

#endif  // ESTIMATORD_POLICY_SETTINGS_HPP
