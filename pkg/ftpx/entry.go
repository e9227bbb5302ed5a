package ftpx

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Kind says what an entry of a directory is.
type Kind string

const (
	KindFile  Kind = "file"
	KindDir   Kind = "directory"
	KindLink  Kind = "link"
	KindOther Kind = "other" // device, socket, pipe
)

// An Entry is one line of a listing.
type Entry struct {
	// Name as the server sent it: it may hold any byte but LF. Escape it before
	// it reaches a terminal, and pass it through [SafeName] before it names a
	// local file.
	Name string `json:"name"`
	Kind Kind   `json:"kind"`
	// Size in bytes, negative when the listing has none.
	Size int64 `json:"size"`
	// Time of the last change, in UTC; zero when the listing has none.
	Time time.Time `json:"time,omitzero"`
	// Exact says that Time is good to the second and free of guesses about the
	// year and the zone.
	Exact bool `json:"exact_time"`
	// Target of a link, empty when the listing has none.
	Target string `json:"target"`
	// Mode is the text of the Unix permissions ("rwxr-xr-x"), or the octal
	// UNIX.mode fact. Perm is the perm fact of RFC 3659.
	Mode   string `json:"mode"`
	Perm   string `json:"perm"`
	Owner  string `json:"owner"`
	Group  string `json:"group"`
	Unique string `json:"unique"`
}

// A Listing is what a server said about a directory.
type Listing struct {
	Entries []Entry
	// Unknown holds the lines that make no sense. They may stand for files.
	Unknown []string
}

// Sort puts the entries in the order of their names.
func (l Listing) Sort() {
	slices.SortStableFunc(l.Entries, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
}

// A ListParser reads the lines of one listing. The zero value parses LIST with
// times in UTC.
type ListParser struct {
	// MLSD says that the lines are those of RFC 3659.
	MLSD bool
	// Location of the times in a LIST. Nil means UTC. Now is when the listing
	// was made, to guess the year; zero means now.
	Location *time.Location
	Now      time.Time

	Listing Listing
	wrapped string // a VMS name whose facts are on the next line
}

// Line takes the next line, without its end.
func (p *ListParser) Line(line string) {
	line = strings.TrimSuffix(line, "\r")
	if p.MLSD {
		p.add(parseFacts(line))
		return
	}
	if p.wrapped != "" {
		line, p.wrapped = p.wrapped+" "+strings.TrimSpace(line), ""
	}
	if isListNoise(line) {
		return
	}
	if isWrappedVMS(line) {
		p.wrapped = line
		return
	}
	p.add(p.parse(line), line)
}

// parse tries the formats in an order in which none takes another's lines.
func (p *ListParser) parse(line string) *Entry {
	for _, f := range []func(*ListParser, string) *Entry{
		(*ListParser).parseEPLF, (*ListParser).parseUnix, (*ListParser).parseDOS, (*ListParser).parseVMS,
	} {
		if e := f(p, line); e != nil {
			return e
		}
	}
	if e, _ := parseFacts(line); e != nil {
		return e
	}
	return nil
}

func (p *ListParser) add(e *Entry, line string) {
	switch {
	case e == nil || e.Name == "":
		p.Listing.Unknown = append(p.Listing.Unknown, line)
	case e.Name != "." && e.Name != "..":
		p.Listing.Entries = append(p.Listing.Entries, *e)
	}
}

// End returns the listing after the last line.
func (p *ListParser) End() Listing {
	if p.wrapped != "" {
		p.add(nil, p.wrapped)
		p.wrapped = ""
	}
	return p.Listing
}

// isListNoise reports lines that stand for no file: "total 12" and the frame of
// a VMS listing.
func isListNoise(line string) bool {
	if strings.TrimSpace(line) == "" {
		return true
	}
	f := strings.Fields(line)
	switch {
	case len(f) == 2 && f[0] == "total":
		_, err := strconv.ParseUint(f[1], 10, 64)
		return err == nil
	case f[0] == "Directory" && len(f) == 2:
		return strings.HasSuffix(f[1], "]")
	}
	return f[0] == "Total" && len(f) > 2 && f[1] == "of"
}

// parseFacts reads a line of MLSD or MLST: facts, one blank, the name. It
// returns the line too, for the caller's report.
func parseFacts(line string) (*Entry, string) {
	// RFC 3659 has one blank in front only in MLST; some servers in MLSD too.
	facts, name, found := strings.Cut(strings.TrimLeft(line, " "), " ")
	if !found || name == "" || facts != "" && !strings.Contains(facts, "=") {
		return nil, line
	}
	e := &Entry{Name: name, Kind: KindOther, Size: -1}
	for fact := range strings.SplitSeq(facts, ";") {
		if fact == "" {
			continue
		}
		key, value, found := strings.Cut(fact, "=")
		if !found || !e.setFact(strings.ToLower(key), value) {
			return nil, line
		}
	}
	return e, line
}

// setFact stores one fact and reports whether its value makes sense. Facts that
// brio does not know are passed over.
func (e *Entry) setFact(key, value string) bool {
	switch key {
	case "type":
		e.setType(value)
	case "size", "sizd":
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil || n < 0 {
			return false
		}
		e.Size = n
	case "modify":
		t, err := parseTimeVal(value)
		if err != nil {
			return false
		}
		e.Time, e.Exact = t, true
	case "perm":
		e.Perm = value
	case "unique":
		e.Unique = value
	case "unix.mode":
		e.Mode = value
	case "unix.owner", "unix.ownername":
		e.Owner = value
	case "unix.group", "unix.groupname":
		e.Group = value
	}
	return true
}

// setType reads the type fact, whose case does not matter. Links come as
// "OS.unix=slink:target" and "OS.unix=symlink".
func (e *Entry) setType(value string) {
	lower := strings.ToLower(value)
	switch {
	case lower == "file":
		e.Kind = KindFile
	case lower == "dir":
		e.Kind = KindDir
	case lower == "cdir":
		e.Kind, e.Name = KindDir, "."
	case lower == "pdir":
		e.Kind, e.Name = KindDir, ".."
	case strings.HasPrefix(lower, "os.unix=slink"), strings.HasPrefix(lower, "os.unix=symlink"):
		e.Kind = KindLink
		if i := strings.IndexByte(value, ':'); i >= 0 {
			e.Target = value[i+1:]
		}
	}
}

// String returns one line about e, for debugging.
func (e Entry) String() string {
	return fmt.Sprintf("%s %d %s %q", e.Kind, e.Size, e.Time.Format(time.RFC3339), e.Name)
}
