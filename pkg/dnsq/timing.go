package dnsq

import (
	"encoding/json"
	"time"
)

// Timing says where the time of one exchange went and what it took. Connect and
// Handshake are zero when there was nothing to connect (UDP) or the connection
// was reused.
type Timing struct {
	Connect   time.Duration // TCP connection made
	Handshake time.Duration // TLS or QUIC handshake done
	Query     time.Duration // from the question written to the reply read
	Total     time.Duration // all of it

	Transport Transport // the one the reply came over; empty when none came
	Sent      int       // messages sent: more than one after a retry without EDNS, over TCP, ...
	Received  int       // valid replies
	Invalid   int       // replies dropped because they did not belong to the question or could not be parsed
	Size      int       // octets of the reply returned
}

// MarshalJSON gives the four durations in milliseconds.
func (t Timing) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Connect   float64 `json:"connect_ms"`
		Handshake float64 `json:"handshake_ms"`
		Query     float64 `json:"query_ms"`
		Total     float64 `json:"total_ms"`
	}{milliseconds(t.Connect), milliseconds(t.Handshake), milliseconds(t.Query), milliseconds(t.Total)})
}

// milliseconds is d in milliseconds, to the microsecond.
func milliseconds(d time.Duration) float64 {
	return float64(d.Microseconds()) / 1000
}
