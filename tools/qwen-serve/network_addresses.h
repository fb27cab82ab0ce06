// Addresses of this machine.
#pragma once
#include <string>
#include <vector>

namespace qwen_serve {

// If `host` means every address ("0.0.0.0" or "::"): those that other machines can open, without loopback and
// link-local addresses. Empty for other hosts.
std::vector<std::string> reachable_addresses(const std::string& host);

}  // namespace qwen_serve
