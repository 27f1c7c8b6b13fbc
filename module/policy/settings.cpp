#include "policy/settings.hpp"

#include <cstddef>
#include <cstdint>

#include "transport/channel.hpp"

namespace estimatord {
namespace {

constexpr milliseconds kShortestTimeout{10};
constexpr milliseconds kLongestTimeout{60000};
constexpr milliseconds kLongestGrace{600000};

// Kinds of scalars that an agent can hand out as revocable. Revocable gpus
// would mark the agent as one with GPUs and hide it from most frameworks
// (hierarchical.hpp:385 of 1.12).
const std::set<std::string>& knownKinds() {
  static const std::set<std::string>* const kinds =
      new std::set<std::string>{"cpus", "mem", "disk"};
  return *kinds;
}

bool fail(
    std::string* error,
    const std::string& key,
    const std::string& value,
    const std::string& allowed) {
  *error = "parameter '" + key + "' is '" + value + "': " + allowed;
  return false;
}

bool parseSocket(
    const std::string& value, Settings* settings, std::string* error) {
  const std::string allowed =
      "it takes the absolute path of a Unix socket, of "
      "at most " +
      std::to_string(kMaxSocketPath) + " bytes";
  if (value.empty() || value[0] != '/' || value.size() > kMaxSocketPath ||
      value.find('\0') != std::string::npos) {
    return fail(error, "socket", value, allowed);
  }
  settings->socket = value;
  return true;
}

bool parseWithin(
    const std::string& key,
    const std::string& value,
    milliseconds least,
    milliseconds most,
    const std::string& allowed,
    milliseconds* duration,
    std::string* error) {
  milliseconds parsed{0};
  if (!parseDuration(value, &parsed) || parsed < least || parsed > most) {
    return fail(error, key, value, allowed);
  }
  *duration = parsed;
  return true;
}

bool parseKinds(
    const std::string& value, Settings* settings, std::string* error) {
  std::set<std::string> kinds;
  std::size_t start = 0;
  while (start <= value.size()) {
    std::size_t end = value.find(',', start);
    if (end == std::string::npos) {
      end = value.size();
    }
    const std::string kind = value.substr(start, end - start);
    if (knownKinds().count(kind) == 0) {
      return fail(
          error,
          "kinds",
          value,
          "it takes cpus, mem and disk, separated by commas");
    }
    kinds.insert(kind);
    start = end + 1;
  }
  settings->kinds = kinds;
  return true;
}

}  // namespace

bool parseDuration(const std::string& text, milliseconds* duration) {
  struct Unit {
    const char* name;
    double toMilliseconds;
  };
  static const Unit kUnits[] = {
      {"ns", 1e-6},
      {"us", 1e-3},
      {"ms", 1.0},
      {"secs", 1e3},
      {"s", 1e3},
      {"mins", 60e3},
      {"m", 60e3},
      {"hrs", 3600e3}};

  std::size_t at = 0;
  double value = 0;
  double place = 0;
  for (; at < text.size(); ++at) {
    if (text[at] >= '0' && text[at] <= '9') {
      const double digit = text[at] - '0';
      if (place > 0) {
        value += digit * place;
        place /= 10;
      } else {
        value = value * 10 + digit;
      }
    } else if (text[at] == '.' && place == 0 && at > 0) {
      place = 0.1;
    } else {
      break;
    }
  }
  if (at == 0 || text[at - 1] == '.') {
    return false;
  }
  const std::string name = text.substr(at);
  for (const Unit& unit : kUnits) {
    if (name == unit.name) {
      const double result = value * unit.toMilliseconds;
      // No parameter takes more than a few minutes: a day is out of range and
      // far from where the conversion would overflow.
      constexpr double kDay = 86400e3;
      if (!(result <= kDay)) {
        return false;
      }
      // Half up, so that 0.3secs is 300 although 0.3 has no exact form.
      *duration = milliseconds(static_cast<std::int64_t>(result + 0.5));
      return true;
    }
  }
  return false;
}

bool parseSettings(
    const Parameters& parameters, Settings* settings, std::string* error) {
  std::set<std::string> seen;
  for (const auto& parameter : parameters) {
    const std::string& key = parameter.first;
    const std::string& value = parameter.second;
    if (!seen.insert(key).second) {
      *error = "parameter '" + key + "' is there twice";
      return false;
    }

    bool ok = true;
    if (key == "socket") {
      ok = parseSocket(value, settings, error);
    } else if (key == "timeout") {
      ok = parseWithin(
          key,
          value,
          kShortestTimeout,
          kLongestTimeout,
          "it takes a duration from 10ms to 60secs",
          &settings->timeout,
          error);
    } else if (key == "stale_grace") {
      ok = parseWithin(
          key,
          value,
          milliseconds::zero(),
          kLongestGrace,
          "it takes a duration from 0secs to 10mins",
          &settings->staleGrace,
          error);
    } else if (key == "kinds") {
      ok = parseKinds(value, settings, error);
    } else {
      *error = "parameter '" + key +
               "' is unknown; there are socket, timeout, stale_grace and kinds";
      ok = false;
    }
    if (!ok) {
      return false;
    }
  }
  return true;
}

}  // namespace estimatord
