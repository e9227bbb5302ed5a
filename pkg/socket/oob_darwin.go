package socket

// siocatmark is SIOCATMARK of sys/sockio.h.
const siocatmark = 0x40047307
