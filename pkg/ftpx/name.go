package ftpx

import (
	"fmt"
	"path/filepath"
	"strings"
)

// SafeName turns a name from a listing into the name of a local file in one
// directory. Control bytes become %XX. A name that would lead elsewhere ("..",
// a separator, a device of the system) is refused with [ErrUnsafeName].
func SafeName(name string) (string, error) {
	if name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00") {
		return "", fmt.Errorf("%w: %q", ErrUnsafeName, name)
	}
	var b strings.Builder
	for i := range len(name) {
		if name[i] < ' ' || name[i] == 0x7f {
			fmt.Fprintf(&b, "%%%02X", name[i])
		} else {
			b.WriteByte(name[i])
		}
	}
	local := b.String()
	if !filepath.IsLocal(local) || filepath.Base(local) != local {
		return "", fmt.Errorf("%w: %q", ErrUnsafeName, name)
	}
	return local, nil
}
