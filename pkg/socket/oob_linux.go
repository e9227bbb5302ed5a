package socket

// siocatmark is SIOCATMARK of asm-generic/sockios.h.
const siocatmark = 0x8905
