/*
 * terrarium-probe: what Node cannot do on the wire, for preflight's node-to-node tests.
 *
 *   terrarium-probe serve ADDRESS TCPPORT NONCE
 *       Answers datagrams that begin with NONCE by their size, and tells every SYN that arrives for TCPPORT with what
 *       it carries in the experimental TCP option 253. Prints "udp PORT" first, then
 *       "syn SOURCE PORT SEQUENCE OPTION|-". Ends with its stdin.
 *
 *   terrarium-probe try SOURCE ADDRESS UDPPORT TCPPORT NONCE SEQUENCE OPTION
 *       Sends a SYN with that sequence number and option (28 hex digits), then looks for the largest packet that
 *       arrives there with fragmentation forbidden. Prints one line of JSON.
 *
 * NONCE: 16 hex digits, SEQUENCE: 8. Addresses are numeric, IPv4 or IPv6. Needs root (raw sockets).
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <linux/errqueue.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
  NONCE_SIZE = 8,
  ACK_SIZE = NONCE_SIZE + 4,
  OPTION_KIND = 253,
  OPTION_DATA = 14,
  MAX_SIZES = 48,
  MAX_PACKET = 65535
};

typedef struct {
  int family;
  socklen_t length;
  union {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
  } at;
} address_t;

static void die(const char *what) {
  fprintf(stderr, "terrarium-probe: %s: %s\n", what, strerror(errno));
  exit(1);
}

static void usage(void) {
  fprintf(stderr, "terrarium-probe: wrong arguments\n");
  exit(2);
}

static address_t parse_address(const char *text, int port) {
  address_t a;
  memset(&a, 0, sizeof a);
  if (inet_pton(AF_INET, text, &a.at.v4.sin_addr) == 1) {
    a.family = a.at.v4.sin_family = AF_INET;
    a.at.v4.sin_port = htons((uint16_t)port);
    a.length = sizeof a.at.v4;
  } else if (inet_pton(AF_INET6, text, &a.at.v6.sin6_addr) == 1) {
    a.family = a.at.v6.sin6_family = AF_INET6;
    a.at.v6.sin6_port = htons((uint16_t)port);
    a.length = sizeof a.at.v6;
  } else {
    usage();
  }
  return a;
}

static int parse_port(const char *text) {
  int port = atoi(text);
  if (port < 0 || port > 65535) usage();
  return port;
}

static void parse_hex(const char *text, uint8_t *bytes, size_t count) {
  if (strlen(text) != 2 * count) usage();
  for (size_t i = 0; i < count; i++) {
    unsigned value;
    if (sscanf(text + 2 * i, "%2x", &value) != 1) usage();
    bytes[i] = (uint8_t)value;
  }
}

static long now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- serve ---- */

static void tell_syn(const uint8_t *tcp, size_t size, const char *source, int port) {
  if (size < 20) return;
  uint16_t to = (uint16_t)(tcp[2] << 8 | tcp[3]);
  size_t header = (size_t)(tcp[12] >> 4) * 4;
  /* SYN without ACK */
  if (to != port || (tcp[13] & 0x12) != 0x02 || header < 20 || header > size) return;
  const uint8_t *option = NULL;
  for (size_t i = 20; i < header && tcp[i] != 0;) {
    if (tcp[i] == 1) {
      i++;
      continue;
    }
    if (i + 1 >= header || tcp[i + 1] < 2 || i + tcp[i + 1] > header) break;
    if (tcp[i] == OPTION_KIND) option = tcp + i;
    i += tcp[i + 1];
  }
  printf("syn %s %u %02x%02x%02x%02x ", source, tcp[0] << 8 | tcp[1], tcp[4], tcp[5], tcp[6], tcp[7]);
  if (option == NULL) printf("-");
  else for (int i = 2; i < option[1]; i++) printf("%02x", option[i]);
  printf("\n");
  fflush(stdout);
}

static void read_raw(int raw, int family, int port) {
  static uint8_t packet[MAX_PACKET];
  char source[INET6_ADDRSTRLEN];
  address_t from;
  from.length = sizeof from.at;
  ssize_t size = recvfrom(raw, packet, sizeof packet, 0, &from.at.any, &from.length);
  if (size <= 0) return;
  /* Only IPv4 raw sockets show the IP header. */
  size_t skip = family == AF_INET ? (size_t)(packet[0] & 15) * 4 : 0;
  if (skip > (size_t)size) return;
  const void *ip = family == AF_INET ? (const void *)&from.at.v4.sin_addr : (const void *)&from.at.v6.sin6_addr;
  inet_ntop(family, ip, source, sizeof source);
  tell_syn(packet + skip, (size_t)size - skip, source, port);
}

static void answer(int udp, const uint8_t *nonce) {
  static uint8_t packet[MAX_PACKET];
  address_t from;
  from.length = sizeof from.at;
  ssize_t size = recvfrom(udp, packet, sizeof packet, 0, &from.at.any, &from.length);
  if (size < ACK_SIZE || memcmp(packet, nonce, NONCE_SIZE) != 0) return;
  uint32_t told = htonl((uint32_t)size);
  memcpy(packet + NONCE_SIZE, &told, 4);
  sendto(udp, packet, ACK_SIZE, 0, &from.at.any, from.length);
}

static int serve(char **argv) {
  address_t own = parse_address(argv[0], 0);
  int port = parse_port(argv[1]);
  uint8_t nonce[NONCE_SIZE];
  parse_hex(argv[2], nonce, sizeof nonce);
  int udp = socket(own.family, SOCK_DGRAM, 0);
  if (udp < 0 || bind(udp, &own.at.any, own.length) < 0) die("udp socket");
  int raw = socket(own.family, SOCK_RAW, IPPROTO_TCP);
  if (raw < 0) die("raw socket");
  int buffer = 1 << 20;
  setsockopt(raw, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
  setsockopt(udp, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
  address_t bound = own;
  getsockname(udp, &bound.at.any, &bound.length);
  printf("udp %u\n", ntohs(own.family == AF_INET ? bound.at.v4.sin_port : bound.at.v6.sin6_port));
  fflush(stdout);
  struct pollfd fds[3] = {{0, POLLIN, 0}, {udp, POLLIN, 0}, {raw, POLLIN, 0}};
  for (;;) {
    if (poll(fds, 3, -1) < 0 && errno != EINTR) die("poll");
    char byte;
    if (fds[0].revents != 0 && read(0, &byte, 1) <= 0) return 0;
    if (fds[1].revents != 0) answer(udp, nonce);
    if (fds[2].revents != 0) read_raw(raw, own.family, port);
  }
}

/* ---- try: SYN ---- */

static uint32_t sum16(uint32_t sum, const void *data, size_t size) {
  const uint8_t *p = data;
  for (size_t i = 0; i + 1 < size; i += 2) sum += (uint32_t)(p[i] << 8 | p[i + 1]);
  return sum;
}

static uint16_t tcp_checksum(const address_t *from, const address_t *to, const uint8_t *tcp, size_t size) {
  uint32_t sum = 0;
  if (from->family == AF_INET) {
    sum = sum16(sum, &from->at.v4.sin_addr, 4);
    sum = sum16(sum, &to->at.v4.sin_addr, 4);
  } else {
    sum = sum16(sum, &from->at.v6.sin6_addr, 16);
    sum = sum16(sum, &to->at.v6.sin6_addr, 16);
  }
  sum += IPPROTO_TCP + (uint32_t)size;
  sum = sum16(sum, tcp, size);
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return (uint16_t)~sum;
}

/*
 * A port that no other socket takes meanwhile: bound but never listening, so that the kernel answers the SYN-ACK by
 * a reset.
 */
static int reserve_port(address_t source, uint16_t *port) {
  int tcp = socket(source.family, SOCK_STREAM, 0);
  if (tcp < 0 || bind(tcp, &source.at.any, source.length) < 0) die("source address");
  getsockname(tcp, &source.at.any, &source.length);
  *port = ntohs(source.family == AF_INET ? source.at.v4.sin_port : source.at.v6.sin6_port);
  return tcp;
}

static uint16_t send_syn(address_t source, address_t target, int port, const uint8_t *sequence, const uint8_t *option) {
  uint16_t from;
  reserve_port(source, &from);
  int raw = socket(source.family, SOCK_RAW, IPPROTO_TCP);
  if (raw < 0) die("raw socket");
  if (bind(raw, &source.at.any, source.length) < 0) die("source address");
  uint8_t tcp[40] = {(uint8_t)(from >> 8), (uint8_t)from, (uint8_t)(port >> 8), (uint8_t)port};
  memcpy(tcp + 4, sequence, 4);
  tcp[12] = (sizeof tcp / 4) << 4;
  tcp[13] = 0x02;
  tcp[14] = 0xff;
  tcp[15] = 0xff;
  const uint8_t mss[4] = {2, 4, 0x05, 0x00};
  memcpy(tcp + 20, mss, sizeof mss);
  tcp[24] = OPTION_KIND;
  tcp[25] = 2 + OPTION_DATA;
  memcpy(tcp + 26, option, OPTION_DATA);
  uint16_t sum = tcp_checksum(&source, &target, tcp, sizeof tcp);
  tcp[16] = (uint8_t)(sum >> 8);
  tcp[17] = (uint8_t)sum;
  for (int i = 0; i < 3; i++) {
    if (sendto(raw, tcp, sizeof tcp, 0, &target.at.any, target.length) < 0 &&
        errno != EPERM && errno != ENETUNREACH && errno != EHOSTUNREACH) {
      die("sending a SYN");
    }
    usleep(5000);
  }
  close(raw);
  return from;
}

/* ---- try: packet size ---- */

typedef struct {
  int udp;
  const uint8_t *nonce;
  /* What IP and UDP headers add. */
  int headers;
  /* MTU that a router told by ICMP, 0 for none. */
  int told;
} sizes_t;

static void read_errors(sizes_t *s) {
  for (;;) {
    char control[512], data[64];
    struct iovec iov = {data, sizeof data};
    struct msghdr message = {
      .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control,
    };
    if (recvmsg(s->udp, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) return;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c != NULL; c = CMSG_NXTHDR(&message, c)) {
      struct sock_extended_err error;
      int v4 = c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR;
      int v6 = c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR;
      if (!v4 && !v6) continue;
      memcpy(&error, CMSG_DATA(c), sizeof error);
      if (error.ee_errno == EMSGSIZE && error.ee_origin != SO_EE_ORIGIN_LOCAL) s->told = (int)error.ee_info;
    }
  }
}

/*
 * Sends packets of all sizes (IP headers included) up to `rounds` times; passed[i] tells which arrived.
 * Ends early once `enough` passed.
 */
static void try_sizes(sizes_t *s, const int *sizes, int count, int rounds, int wait_ms, int enough, int *passed) {
  static uint8_t packet[MAX_PACKET];
  int left = count;
  memset(passed, 0, (size_t)count * sizeof *passed);
  memcpy(packet, s->nonce, NONCE_SIZE);
  for (int round = 0; round < rounds && left > 0; round++) {
    for (int i = 0; i < count; i++) {
      /* EMSGSIZE and ICMP's echoes count as not passed. */
      if (!passed[i]) (void)!send(s->udp, packet, (size_t)(sizes[i] - s->headers), 0);
    }
    long deadline = now_ms() + wait_ms;
    for (long rest; left > 0 && (rest = deadline - now_ms()) > 0;) {
      struct pollfd fd = {s->udp, POLLIN, 0};
      if (poll(&fd, 1, (int)rest) <= 0) continue;
      if (fd.revents & POLLERR) read_errors(s);
      uint8_t ack[64];
      uint32_t told;
      if (recv(s->udp, ack, sizeof ack, MSG_DONTWAIT) != ACK_SIZE || memcmp(ack, s->nonce, NONCE_SIZE) != 0) continue;
      memcpy(&told, ack + NONCE_SIZE, 4);
      for (int i = 0; i < count; i++) {
        if (passed[i] || sizes[i] - s->headers != (int)ntohl(told)) continue;
        passed[i] = 1;
        left--;
        if (sizes[i] >= enough) return;
      }
    }
  }
}

/* Largest packet that arrives; 0 when not even a small one does. */
static int largest(sizes_t *s, int low, int high) {
  int sizes[MAX_SIZES], passed[MAX_SIZES];
  sizes[0] = high;
  sizes[1] = low;
  try_sizes(s, sizes, 2, 3, 250, high, passed);
  if (passed[0]) return high;
  if (!passed[1]) return 0;
  while (high - low > 1) {
    int gap = high - low - 1;
    int count = gap < MAX_SIZES ? gap : MAX_SIZES;
    for (int i = 0; i < count; i++) sizes[i] = low + 1 + (int)((long)gap * i / count);
    try_sizes(s, sizes, count, 2, 200, high, passed);
    for (int i = 0; i < count; i++) if (passed[i]) low = sizes[i];
    for (int i = count - 1; i >= 0; i--) if (sizes[i] > low) high = sizes[i];
  }
  return low;
}

/* Whether a socket address is the given one, apart from its port. */
static int is_address(const struct sockaddr *any, const address_t *own) {
  if (any == NULL || any->sa_family != own->family) return 0;
  if (own->family == AF_INET) {
    return memcmp(&((const struct sockaddr_in *)any)->sin_addr, &own->at.v4.sin_addr, 4) == 0;
  }
  return memcmp(&((const struct sockaddr_in6 *)any)->sin6_addr, &own->at.v6.sin6_addr, 16) == 0;
}

/* Name and MTU of the interface that holds an address. */
static int device_of(const address_t *own, char *name, int socket_fd) {
  struct ifaddrs *list;
  if (getifaddrs(&list) < 0) die("interfaces");
  name[0] = 0;
  for (struct ifaddrs *i = list; i != NULL; i = i->ifa_next) {
    if (is_address(i->ifa_addr, own)) snprintf(name, IFNAMSIZ, "%s", i->ifa_name);
  }
  freeifaddrs(list);
  if (name[0] == 0) return 0;
  struct ifreq request;
  memset(&request, 0, sizeof request);
  snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
  return ioctl(socket_fd, SIOCGIFMTU, &request) < 0 ? 0 : request.ifr_mtu;
}

static int try_way(char **argv) {
  address_t source = parse_address(argv[0], 0);
  address_t target = parse_address(argv[1], parse_port(argv[2]));
  int port = parse_port(argv[3]);
  uint8_t nonce[NONCE_SIZE], sequence[4], option[OPTION_DATA];
  parse_hex(argv[4], nonce, sizeof nonce);
  parse_hex(argv[5], sequence, sizeof sequence);
  parse_hex(argv[6], option, sizeof option);
  if (source.family != target.family) usage();
  uint16_t from = send_syn(source, parse_address(argv[1], 0), port, sequence, option);

  int v4 = source.family == AF_INET;
  sizes_t s = {.udp = socket(source.family, SOCK_DGRAM, 0), .nonce = nonce, .headers = v4 ? 28 : 48};
  if (s.udp < 0 || bind(s.udp, &source.at.any, source.length) < 0) die("udp socket");
  int on = 1, probe = v4 ? IP_PMTUDISC_PROBE : IPV6_PMTUDISC_PROBE;
  setsockopt(s.udp, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_MTU_DISCOVER : IPV6_MTU_DISCOVER, &probe, sizeof probe);
  setsockopt(s.udp, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_RECVERR : IPV6_RECVERR, &on, sizeof on);
  if (!v4) setsockopt(s.udp, IPPROTO_IPV6, IPV6_DONTFRAG, &on, sizeof on);
  if (connect(s.udp, &target.at.any, target.length) < 0) die("route");
  char device[IFNAMSIZ];
  int mtu = device_of(&source, device, s.udp);
  if (mtu == 0) mtu = 1500;
  if (mtu > MAX_PACKET) mtu = MAX_PACKET;
  int low = v4 ? 576 : 1280;
  int passes = largest(&s, low < mtu ? low : mtu - 1, mtu);
  read_errors(&s);
  printf("{\"device\":\"%s\",\"deviceMtu\":%d,\"passes\":", device, mtu);
  if (passes == 0) printf("null");
  else printf("%d", passes);
  printf(",\"told\":");
  if (s.told == 0) printf("null");
  else printf("%d", s.told);
  printf(",\"sourcePort\":%u}\n", from);
  return 0;
}

int main(int argc, char **argv) {
  if (argc == 5 && strcmp(argv[1], "serve") == 0) return serve(argv + 2);
  if (argc == 9 && strcmp(argv[1], "try") == 0) return try_way(argv + 2);
  usage();
}
