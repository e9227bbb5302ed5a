package ftpx

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// Sentinels to ask for with [errors.Is].
var (
	// ErrProtocol is wrapped by errors about malformed or forged replies.
	ErrProtocol = errors.New("FTP protocol violation")
	// ErrTruncated is wrapped by errors about data or a dialogue that ended
	// before it was complete.
	ErrTruncated = errors.New("truncated")
	// ErrAborted is returned by [Stream.Close] when the reader stopped early.
	ErrAborted = errors.New("transfer aborted")
	// ErrBusy is returned when a stream of the same session is still open.
	ErrBusy = errors.New("session busy with another transfer")
	// ErrNotSupported is wrapped by errors about commands a server lacks.
	ErrNotSupported = errors.New("not supported by the server")
	// ErrUnsafeName is wrapped by errors about names that would leave the
	// directory they belong in.
	ErrUnsafeName = errors.New("unsafe name")
	// ErrTLS is wrapped by errors of a TLS handshake or of its negotiation.
	ErrTLS = errors.New("TLS handshake")
)

// A ReplyError is a failure that the server reported.
type ReplyError struct {
	Command string // the command refused, without its password
	Code    int    // reply code, 400-599
	Message string // text of the reply as it came, not escaped
}

// Error names the command and gives the reply as the server sent it.
func (e *ReplyError) Error() string {
	return fmt.Sprintf("%s: the server answered %d %s", e.Command, e.Code, e.Message)
}

// Is makes a 550 match [fs.ErrNotExist], a 530 [fs.ErrPermission] and a 426, which
// breaks off a transfer, [ErrTruncated].
func (e *ReplyError) Is(target error) bool {
	switch target {
	case fs.ErrNotExist:
		return e.Code == 550
	case fs.ErrPermission:
		return e.Code == 530
	case ErrTruncated:
		return e.Code == 426
	}
	return false
}

// A TimeoutError says what was waited for in vain. It matches
// [os.ErrDeadlineExceeded].
type TimeoutError struct {
	Op string // such as "reply to RETR"
}

func (e *TimeoutError) Error() string { return "timed out waiting for " + e.Op }

// Timeout reports true, as [net.Error] has it.
func (e *TimeoutError) Timeout() bool { return true }

// Unwrap returns [os.ErrDeadlineExceeded].
func (e *TimeoutError) Unwrap() error { return os.ErrDeadlineExceeded }

// A SizeError reports a file with another length than the server announced. It
// matches [ErrTruncated].
type SizeError struct {
	Got, Want int64 // bytes, both counted from the start of the file
}

func (e *SizeError) Error() string {
	return fmt.Sprintf("size mismatch: %d bytes, the server announced %d", e.Got, e.Want)
}

// Unwrap returns [ErrTruncated].
func (e *SizeError) Unwrap() error { return ErrTruncated }

// A ChecksumError reports a file whose content is not what was announced.
type ChecksumError struct {
	Algorithm string // such as "SHA-256"
	Got, Want string // hexadecimal
}

func (e *ChecksumError) Error() string {
	return fmt.Sprintf("%s mismatch: %s, want %s", e.Algorithm, e.Got, e.Want)
}

// A LocalError is a failure of the local file, not of the network.
type LocalError struct {
	Op  string // "read", "write", "create" ...
	Err error
}

func (e *LocalError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *LocalError) Unwrap() error { return e.Err }

// localError wraps err, which may be nil, as a [LocalError].
func localError(op string, err error) error {
	if err == nil {
		return nil
	}
	return &LocalError{Op: op, Err: err}
}

// Temporary reports whether trying again may help: the connection broke, timed
// out or was refused, or the reply was a transient one (4xx).
func Temporary(err error) bool {
	var local *LocalError
	var reply *ReplyError
	switch {
	case err == nil, errors.As(err, &local):
		return false
	case errors.As(err, &reply):
		return reply.Code >= 400 && reply.Code < 500
	case errors.Is(err, ErrTruncated), errors.Is(err, os.ErrDeadlineExceeded):
		return true
	}
	return isNetworkFailure(err)
}
