#include "qwen-serve/network_addresses.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstdint>
#include <memory>

namespace qwen_serve {
namespace {

bool is_local(const in_addr& address) {
  const std::uint32_t bits = ntohl(address.s_addr);
  return bits >> 24 == 127 || bits >> 16 == 0xA9FE;  // 127.0.0.0/8, 169.254.0.0/16
}

bool is_local(const in6_addr& address) {
  return IN6_IS_ADDR_LOOPBACK(&address) || IN6_IS_ADDR_LINKLOCAL(&address);
}

}  // namespace

std::vector<std::string> reachable_addresses(const std::string& host) {
  std::vector<std::string> found;
  const int family = host == "0.0.0.0" ? AF_INET : host == "::" ? AF_INET6 : AF_UNSPEC;
  ifaddrs* list = nullptr;
  if (family == AF_UNSPEC || ::getifaddrs(&list) != 0) return found;
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> owner(list, ::freeifaddrs);
  for (const ifaddrs* entry = list; entry; entry = entry->ifa_next) {
    if (!entry->ifa_addr || entry->ifa_addr->sa_family != family || !(entry->ifa_flags & IFF_UP)) continue;
    char text[INET6_ADDRSTRLEN] = "";
    if (family == AF_INET) {
      const in_addr& address = reinterpret_cast<const sockaddr_in*>(entry->ifa_addr)->sin_addr;
      if (!is_local(address)) ::inet_ntop(family, &address, text, sizeof text);
    } else {
      const in6_addr& address = reinterpret_cast<const sockaddr_in6*>(entry->ifa_addr)->sin6_addr;
      if (!is_local(address)) ::inet_ntop(family, &address, text, sizeof text);
    }
    if (*text && std::ranges::find(found, text) == found.end()) found.emplace_back(text);
  }
  return found;
}

}  // namespace qwen_serve
