#ifndef TLSPEER_INTERNAL_H
#define TLSPEER_INTERNAL_H

#include <openssl/ssl.h>

#include "include/tlspeer_server.h"

struct tlspeer_identity {
  X509 *certificate;
  EVP_PKEY *key;
};

#endif
