package socket

// Credentials tell which process is at the other end of a UNIX socket, as the
// kernel saw it when the connection was made.
type Credentials struct {
	PID int `json:"pid"` // 0 when the system does not say
	UID int `json:"uid"`
	GID int `json:"gid"`
}
