/* Forced into every file of wolfSSL's build by scripts/wolfssl.py (see CFLAGS there): its random octets are the kernel's.
 *
 * wolfSSL's own generator is made anew for each connection: it opens /dev/urandom and tests itself with some forty
 * blocks of SHA-256 before it gives the first octet. getrandom(2) needs neither, and after a fork it repeats nothing. */
#ifndef KFERRY_WOLFSSL_RANDOM_H
#define KFERRY_WOLFSSL_RANDOM_H

#ifndef __ASSEMBLER__

#include <errno.h>
#include <sys/random.h>

/* Fills `room`. 0, or -1 where the kernel gives none; wolfSSL takes any number but 0 for a failure. */
static inline int kferry_random(unsigned char* room, unsigned int size) {
  while (size > 0) {
    const ssize_t given = getrandom(room, size, 0);
    if (given < 0 && errno == EINTR) continue;
    if (given <= 0) return -1;
    room += given;
    size -= (unsigned int)given;
  }
  return 0;
}

#endif
#endif
