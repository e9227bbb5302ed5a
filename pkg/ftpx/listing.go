package ftpx

import (
	"strconv"
	"strings"
	"time"
)

// A field is a run of non-blanks in a line.
type field struct {
	text       string
	start, end int
}

func splitFields(line string) []field {
	var out []field
	for i := 0; i < len(line); {
		for i < len(line) && line[i] == ' ' {
			i++
		}
		start := i
		for i < len(line) && line[i] != ' ' {
			i++
		}
		if i > start {
			out = append(out, field{line[start:i], start, i})
		}
	}
	return out
}

// parseUnix reads what ls -l prints, in its many variants: the permissions may
// end in '+', '@' or '.', owners may hold blanks or be missing, devices have two
// numbers for a size. What all have in common is a number, a date and a name.
func (p *ListParser) parseUnix(line string) *Entry {
	fields := splitFields(line)
	if len(fields) < 4 || !isUnixMode(fields) {
		return nil
	}
	for i := 1; i+2 < len(fields); i++ {
		t, used, exact := p.unixDate(fields[i:])
		if used == 0 || fields[i+used-1].end >= len(line) {
			continue
		}
		e := &Entry{Time: t, Exact: exact, Name: line[fields[i+used-1].end+1:]}
		if !e.setUnixColumns(fields[:i]) {
			continue
		}
		e.setUnixKind(fields[0].text)
		return e
	}
	return nil
}

// isUnixMode recognises "-rw-r--r--", with what may follow it, and NetWare's
// "d [RWCEMFA]".
func isUnixMode(fields []field) bool {
	mode := fields[0].text
	if !strings.ContainsRune("-dlbcpsDw", rune(mode[0])) {
		return false
	}
	if len(mode) == 1 {
		return strings.HasPrefix(fields[1].text, "[")
	}
	if len(mode) < 10 || len(mode) > 11 {
		return false
	}
	return strings.Trim(mode[1:10], "-rwxsStTlL") == ""
}

// setUnixColumns reads the columns before the date. The last is the size; of a
// device it is "major, minor".
func (e *Entry) setUnixColumns(columns []field) bool {
	last := len(columns) - 1
	size, err := strconv.ParseInt(columns[last].text, 10, 64)
	if err != nil || last < 1 {
		return false
	}
	e.Size = size
	if last >= 2 && strings.HasSuffix(columns[last-1].text, ",") {
		e.Size, last = -1, last-1
	}
	names := columns[1:last]
	if len(names) > 0 {
		if _, err := strconv.Atoi(names[0].text); err == nil || names[0].text[0] == '[' {
			names = names[1:] // number of links, NetWare's rights
		}
	}
	if len(names) > 0 {
		e.Owner = names[0].text
	}
	if len(names) > 1 {
		e.Group = names[len(names)-1].text
	}
	return true
}

func (e *Entry) setUnixKind(mode string) {
	if len(mode) >= 10 {
		e.Mode = mode[1:10]
	}
	switch mode[0] {
	case '-':
		e.Kind = KindFile
	case 'd':
		e.Kind = KindDir
	case 'l':
		e.Kind = KindLink
		if name, target, found := strings.Cut(e.Name, " -> "); found {
			e.Name, e.Target = name, target
		}
	default:
		e.Kind = KindOther
	}
}

// unixDate reads "Jan  2 15:04", "Jan  2 2006", "2 Jan 15:04", "2006-01-02 15:04"
// at the start of fields, and says how many it used, zero for no date.
func (p *ListParser) unixDate(fields []field) (t time.Time, used int, exact bool) {
	a, b := fields[0].text, fields[1].text
	if len(a) == 10 && a[4] == '-' {
		for _, layout := range []string{"2006-01-02 15:04", "2006-01-02 15:04:05"} {
			if t, err := time.ParseInLocation(layout, a+" "+b, p.location()); err == nil {
				return t.UTC(), 2, len(layout) > 16
			}
		}
		return t, 0, false
	}
	if len(fields) < 3 {
		return t, 0, false
	}
	month, day := monthOf(a), b
	if month == 0 {
		month, day = monthOf(b), a
	}
	d, err := strconv.Atoi(day)
	if month == 0 || err != nil || d < 1 || d > 31 {
		return t, 0, false
	}
	t, ok := p.yearOrClock(month, d, fields[2].text)
	if !ok {
		return t, 0, false
	}
	return t.UTC(), 3, false
}

func monthOf(s string) time.Month {
	if len(s) != 3 {
		return 0
	}
	i := strings.Index("jan feb mar apr may jun jul aug sep oct nov dec ", strings.ToLower(s)+" ")
	if i < 0 || i%4 != 0 {
		return 0
	}
	return time.Month(i/4 + 1)
}

// yearOrClock completes a date by "2006" or "15:04"; the latter stands for the
// last such time, with a day's allowance for a server whose clock or zone is
// ahead.
func (p *ListParser) yearOrClock(month time.Month, day int, s string) (time.Time, bool) {
	if year, err := strconv.Atoi(s); err == nil {
		return time.Date(year, month, day, 0, 0, 0, 0, p.location()), year >= 1900 && year <= 9999
	}
	clock, err := time.Parse("15:04", s)
	if err != nil {
		if clock, err = time.Parse("15:04:05", s); err != nil {
			return time.Time{}, false
		}
	}
	now := p.Now
	if now.IsZero() {
		now = time.Now()
	}
	at := func(year int) time.Time {
		return time.Date(year, month, day, clock.Hour(), clock.Minute(), clock.Second(), 0, p.location())
	}
	year := now.In(p.location()).Year()
	t := at(year)
	if t.After(now.AddDate(0, 0, 1)) {
		t = at(year - 1)
	} else if next := at(year + 1); !next.After(now.AddDate(0, 0, 1)) {
		t = next // the server lives in the new year already
	}
	return t, true
}

func (p *ListParser) location() *time.Location {
	if p.Location == nil {
		return time.UTC
	}
	return p.Location
}

// parseDOS reads what DIR prints: "01-02-06  03:04PM  <DIR>  name".
func (p *ListParser) parseDOS(line string) *Entry {
	f := splitFields(line)
	if len(f) < 4 || !isDigit(line[0]) {
		return nil
	}
	date := f[0].text + " " + strings.ToUpper(f[1].text)
	for _, layout := range []string{
		"01-02-06 03:04PM", "01-02-2006 03:04PM", "01-02-06 15:04", "01-02-2006 15:04",
		"2006-01-02 15:04", "02.01.2006 15:04", "2006/01/02 15:04", "01/02/06 03:04PM", "01/02/2006 03:04PM",
	} {
		t, err := time.ParseInLocation(layout, date, p.location())
		if err != nil {
			continue
		}
		e := &Entry{Time: t.UTC(), Size: -1, Name: strings.TrimLeft(line[f[2].end:], " ")}
		if e.setDOSKind(f[2].text) {
			return e
		}
	}
	return nil
}

func (e *Entry) setDOSKind(column string) bool {
	switch column {
	case "<DIR>":
		e.Kind = KindDir
		return true
	case "<SYMLINK>", "<SYMLINKD>", "<JUNCTION>":
		e.Kind = KindLink
		if name, target, found := strings.Cut(e.Name, " ["); found {
			e.Name, e.Target = name, strings.TrimSuffix(target, "]")
		}
		return true
	}
	size, err := strconv.ParseInt(strings.ReplaceAll(column, ",", ""), 10, 64)
	e.Kind, e.Size = KindFile, size
	return err == nil && size >= 0
}

// parseEPLF reads the Easily Parsed LIST Format: "+facts<TAB>name".
func (p *ListParser) parseEPLF(line string) *Entry {
	if !strings.HasPrefix(line, "+") {
		return nil
	}
	facts, name, found := strings.Cut(line[1:], "\t")
	if !found {
		return nil
	}
	e := &Entry{Name: name, Kind: KindOther, Size: -1}
	for fact := range strings.SplitSeq(facts, ",") {
		if fact != "" && !e.setEPLF(fact[0], fact[1:]) {
			return nil
		}
	}
	return e
}

func (e *Entry) setEPLF(key byte, value string) bool {
	switch key {
	case '/':
		e.Kind = KindDir
	case 'r':
		if e.Kind != KindDir {
			e.Kind = KindFile
		}
	case 's', 'm':
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil || n < 0 {
			return false
		}
		if key == 's' {
			e.Size = n
		} else {
			e.Time, e.Exact = time.Unix(n, 0).UTC(), true
		}
	case 'i':
		e.Unique = value
	}
	return true
}

// isWrappedVMS recognises a long VMS name alone on its line.
func isWrappedVMS(line string) bool {
	name, version, found := strings.Cut(line, ";")
	if !found || strings.ContainsAny(line, " =\t") || !strings.Contains(name, ".") {
		return false
	}
	_, err := strconv.Atoi(version)
	return err == nil
}

// parseVMS reads "NAME.TYPE;1  12/15  2-JAN-2006 15:04:05  [GROUP,OWNER]  (RWED,...)".
// The size is in blocks, so the length in bytes is not known.
func (p *ListParser) parseVMS(line string) *Entry {
	f := splitFields(line)
	if len(f) < 4 {
		return nil
	}
	name, _, found := strings.Cut(f[0].text, ";")
	if !found {
		return nil
	}
	date := titleMonth(f[2].text) + " " + f[3].text
	for _, layout := range []string{"2-Jan-2006 15:04:05", "2-Jan-2006 15:04", "2-Jan-2006 15:04:05.00"} {
		t, err := time.ParseInLocation(layout, date, p.location())
		if err != nil {
			continue
		}
		e := &Entry{Name: name, Kind: KindFile, Size: -1, Time: t.UTC()}
		if base, isDir := strings.CutSuffix(name, ".DIR"); isDir {
			e.Name, e.Kind = base, KindDir
		}
		if len(f) > 4 && strings.HasPrefix(f[4].text, "[") {
			e.Owner = strings.Trim(f[4].text, "[]")
		}
		return e
	}
	return nil
}

// titleMonth turns "2-JAN-2006" into "2-Jan-2006".
func titleMonth(date string) string {
	day, rest, _ := strings.Cut(date, "-")
	month, year, _ := strings.Cut(rest, "-")
	if len(month) != 3 {
		return date
	}
	return day + "-" + month[:1] + strings.ToLower(month[1:]) + "-" + year
}
