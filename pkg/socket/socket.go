// Package socket opens, configures and uses stream and datagram sockets of the
// internet and UNIX families: TCP, UDP, UNIX stream and UNIX datagram.
//
// The main call is [Dial]:
//
//	c, err := socket.Dial(ctx, "tcp", "example.com:80", socket.Config{})
//
// [Listen] makes the passive side, [ListenPacket] and [DialPacket] make
// datagram sockets. What the operating system calls an option is a field of
// [Options]; a field that is nil leaves the option as the system has it, and an
// option the system or the kind of socket lacks is an error that wraps
// [ErrNotSupported] and names it. Errors carry portable identifiers: see
// [ErrorID].
//
// A stream is handed out as a [Conn]. Bytes in bulk go faster through the bare
// connection below it, which [Conn.NetConn] returns, and [Pump], [Relay] and
// [Pipe] move them: from one end to the other, between two connections, and
// between a connection and an input and output.
//
// Hosts may be names, addresses in every form that [ParseHost] reads, or
// integers; a [Resolver] looks names up. [ThroughProxies] makes a connection to
// a proxy one to its target.
package socket

import "fmt"

// Type says how a socket carries data.
type Type string

// The socket types.
const (
	Stream   Type = "stream"
	Datagram Type = "datagram"
)

// Family says what names the ends of a socket.
type Family string

// The address families.
const (
	Internet Family = "internet" // IP address and port
	File     Family = "file"     // path or abstract name of a UNIX socket
)

// Connect says which side of a connection a socket is.
type Connect string

// The connection directions.
const (
	Active  Connect = "active"  // it connects, or was accepted
	Passive Connect = "passive" // it waits for connections
)

// Format is the format of every socket: bytes and text may be mixed freely.
const Format = "multivalent"

// Direction names one half of a connection, as seen from this side.
type Direction string

// The halves of a connection.
const (
	Input  Direction = "input"
	Output Direction = "output"
)

// IPPolicy says which IP versions to use, and in what order.
type IPPolicy uint8

// The policies. The zero value tries IPv6 first and IPv4 beside it, as RFC
// 8305 says, and makes listeners accept both.
const (
	AnyIP IPPolicy = iota
	PreferIPv4
	OnlyIPv4
	OnlyIPv6
)

// String returns the word for p used in messages.
func (p IPPolicy) String() string {
	switch p {
	case AnyIP:
		return "any"
	case PreferIPv4:
		return "prefer-ipv4"
	case OnlyIPv4:
		return "ipv4"
	case OnlyIPv6:
		return "ipv6"
	}
	return fmt.Sprintf("IPPolicy(%d)", uint8(p))
}

// network appends the IP version that p demands to "tcp" or "udp".
func (p IPPolicy) network(network string) string {
	switch {
	case network != "tcp" && network != "udp":
		return network
	case p == OnlyIPv4:
		return network + "4"
	case p == OnlyIPv6:
		return network + "6"
	}
	return network
}
