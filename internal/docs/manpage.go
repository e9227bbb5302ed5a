// Package docs writes what is generated from the command tree: the man pages and
// the completion scripts.
// It is used when pages are generated and by the tests that look whether they
// are current; brio itself does not link it.
package docs

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/brio-net/brio/cmd"
)

// Date is the date on every page. It changes with a release and not with the
// day a page is generated on.
const Date = "November 20, 2026"

// Pages returns every page by its file name: brio.1, brio-COMMAND.1,
// brio-addresses.7 and brio.config.5.
func Pages(root cmd.CommandDoc, topics []cmd.TopicDoc) map[string][]byte {
	text := map[string]string{}
	for _, t := range topics {
		text[t.Name] = t.Text
	}
	pages := map[string][]byte{
		"brio.1":           rootPage(root, text),
		"brio-addresses.7": addressesPage(text["addresses"]),
		"brio.config.5":    configPage(root, text["config"]),
	}
	for _, c := range All(root)[1:] {
		pages[pageName(c.Path)+".1"] = commandPage(c)
	}
	return pages
}

// All returns c and all commands below it.
func All(c cmd.CommandDoc) []cmd.CommandDoc {
	list := []cmd.CommandDoc{c}
	for _, sub := range c.Commands {
		list = append(list, All(sub)...)
	}
	return list
}

// pageName is the name of the page of a command: brio-ipaddr-lookup.
func pageName(path string) string { return strings.ReplaceAll(path, " ", "-") }

// start begins a page.
func start(name, section, what string) *page {
	p := &page{}
	p.raw(`.\" Generated from the command tree by: make generate`)
	p.raw(".Dd " + Date)
	p.raw(".Dt " + strings.ToUpper(name) + " " + section)
	p.raw(".Os")
	p.section("NAME")
	p.raw(".Nm " + name)
	p.macro("Nd", what)
	return p
}

func rootPage(root cmd.CommandDoc, topics map[string]string) []byte {
	p := start("brio", "1", root.Short)
	p.section("SYNOPSIS")
	p.raw(".Nm brio", ".Op Ar FLAG ...", ".Ar COMMAND", ".Op Ar ARGUMENT ...")
	p.section("DESCRIPTION")
	p.raw(".Nm")
	p.text("moves bytes over sockets, asks the DNS, looks at TLS and certificates, and fetches files by FTP. " +
		"Each command has a page of its own.")
	for _, g := range root.Groups {
		var list []cmd.CommandDoc
		for _, c := range root.Commands {
			if c.Group == g {
				list = append(list, c)
			}
		}
		p.commands(g, list)
	}
	p.section("OPTIONS")
	p.text("Every command takes these flags, before or after its name.")
	p.flags(root.Flags[0].Flags)
	p.section("JSON")
	p.prose(topics["json"])
	p.section("ENVIRONMENT")
	p.prose(topics["environment"])
	p.section("FILES")
	p.raw(".Bl -tag -width Ds", ".It Pa ~/.config/brio/config.yaml")
	p.text("Settings. See")
	p.raw(".Xr brio.config 5 .", ".El")
	p.exits(root)
	p.text("A number never changes its meaning; read an unknown one as a failure.")
	p.examples(root)
	p.seeAlso("brio.config 5", "brio-addresses 7")
	return p.bytes()
}

func commandPage(c cmd.CommandDoc) []byte {
	p := start(pageName(c.Path), "1", c.Short)
	p.section("SYNOPSIS")
	p.raw(".Nm " + c.Path)
	p.raw(".Op Ar FLAG ...")
	if c.Args != "" {
		p.text(c.Args)
	}
	p.section("DESCRIPTION")
	if c.Long == "" {
		p.text(strings.ToUpper(c.Short[:1]) + c.Short[1:] + ".")
	}
	p.prose(c.Long)
	p.commands("Commands", c.Commands)
	p.section("OPTIONS")
	for _, g := range c.Flags {
		p.macro("Ss", g.Title)
		p.flags(g.Flags)
	}
	if len(c.Flags) > 0 {
		p.raw(".Ss Every command")
	}
	p.text("The flags that every command has, such as --json and --timeout, are described in")
	p.raw(".Xr brio 1 .")
	p.output(c)
	p.environment(c)
	p.exits(c)
	p.examples(c)
	p.seeAlso(above(c.Path)+" 1", "brio.config 5", "brio-addresses 7")
	return p.bytes()
}

// above is the page of the command that holds the one at path.
func above(path string) string { return pageName(path[:strings.LastIndexByte(path, ' ')]) }

// addressesPage and configPage are the topics that are no command's.
func addressesPage(topic string) []byte {
	p := start("brio-addresses", "7", "how brio reads addresses")
	p.section("DESCRIPTION")
	p.prose(topic)
	p.section("EXAMPLES")
	p.literal([]string{
		"brio connect example.com:443",
		"brio connect example.com https",
		"brio connect [2001:db8::1]:80",
		"brio connect unix:/run/app.sock",
		"brio listen :8080",
		"brio ipaddr parse 127.1",
	})
	p.seeAlso("brio 1", "brio-ipaddr 1")
	return p.bytes()
}

func configPage(root cmd.CommandDoc, topic string) []byte {
	p := start("brio.config", "5", "settings of brio")
	p.section("DESCRIPTION")
	p.prose(topic)
	p.section("SETTINGS")
	p.text("Each section may hold the flags of its command, as described in the page of the command, and those of every command.")
	p.raw(".Bl -tag -width Ds")
	for _, c := range All(root) {
		if keys := settingNames(c); len(keys) > 0 {
			p.raw(".It Ic " + sectionName(c.Path))
			p.text(strings.Join(keys, ", "))
		}
	}
	p.raw(".El")
	p.section("FILES")
	p.raw(".Bl -tag -width Ds")
	p.raw(".It Pa $XDG_CONFIG_HOME/brio/config.yaml", ".It Pa ~/.config/brio/config.yaml")
	p.text("The file that is read when it exists, the first where that variable is set.")
	p.raw(".It Pa %AppData%\\e\\&brio\\e\\&config.yaml")
	p.text("The same on Windows.")
	p.raw(".El")
	p.section("EXAMPLES")
	p.literal([]string{
		"defaults:", "  timeout: 30", "dns-query:", "  nameserver: [192.0.2.53]",
		"profiles:", "  ci:", "    defaults: {format: json, color: never}",
	})
	p.seeAlso("brio 1", "brio-config 1")
	return p.bytes()
}

func settingNames(c cmd.CommandDoc) []string {
	var names []string
	for _, g := range c.Flags {
		for _, f := range g.Flags {
			if f.Setting {
				names = append(names, f.Name)
			}
		}
	}
	return names
}

// sectionName is the section of a command in the file.
func sectionName(path string) string {
	_, rest, ok := strings.Cut(path, " ")
	if !ok {
		return "defaults"
	}
	return strings.ReplaceAll(rest, " ", "-")
}

// commands lists commands with references to their pages.
func (p *page) commands(title string, list []cmd.CommandDoc) {
	if len(list) == 0 {
		return
	}
	p.macro("Ss", title)
	p.raw(".Bl -tag -width Ds")
	for _, c := range list {
		p.raw(".It Xr " + pageName(c.Path) + " 1")
		p.text(c.Short)
	}
	p.raw(".El")
}

func (p *page) flags(list []cmd.FlagDoc) {
	p.raw(".Bl -tag -width Ds")
	for _, f := range list {
		head := "Fl " + escape("-"+f.Name)
		if f.Short != "" {
			head = "Fl " + f.Short + " , " + head
		}
		if f.Value != "" {
			head += " Ar " + argument(f.Value)
		}
		p.raw(".It " + head)
		text := f.Text
		if f.Choices != nil {
			text += "; one of: " + strings.Join(f.Choices, ", ")
		}
		if f.Default != "" {
			text += fmt.Sprintf(" (default %s)", f.Default)
		}
		p.text(text)
	}
	p.raw(".El")
}

// output says what --format can be, and what the JSON objects hold.
func (p *page) output(c cmd.CommandDoc) {
	switch {
	case len(c.Formats) > 1:
		p.section("OUTPUT")
		p.text("Results go to stdout in the format that --format names: " + strings.Join(c.Formats, ", ") +
			". Everything else goes to stderr.")
	case len(c.Formats) == 1:
		p.section("OUTPUT")
		p.text("Stdout carries the data. What happens is told on stderr, or with --events as JSON.")
	}
	if len(c.Results) == 0 {
		return
	}
	p.raw(".Pp")
	p.text("With --json each result is one object on one line, with these members. One that failed has the member error beside those that are known.")
	for i, fields := range c.Results {
		if i > 0 {
			p.raw(".Pp")
			p.text("Or:")
		}
		p.fields(fields)
	}
}

func (p *page) fields(list []cmd.FieldDoc) {
	width := 0
	for _, f := range list {
		width = max(width, len(f.Path))
	}
	var lines []string
	for _, f := range list {
		lines = append(lines, fmt.Sprintf("%-*s  %s", width, f.Path, f.Type))
	}
	p.literal(lines)
}

func (p *page) environment(c cmd.CommandDoc) {
	p.section("ENVIRONMENT")
	example := "BRIO_" + strings.ToUpper(strings.ReplaceAll(sectionName(c.Path), "-", "_")) + "_TIMEOUT"
	p.text("Each flag has a variable for this command and one for all commands: --timeout is set by")
	p.macro("Ev", example)
	p.text("and, weaker, by")
	p.raw(".Ev BRIO_TIMEOUT .", ".Xr brio 1", "has the full list.")
}

func (p *page) exits(c cmd.CommandDoc) {
	p.section("EXIT STATUS")
	p.raw(".Bl -tag -width 128+n")
	for _, x := range c.Exits {
		p.raw(".It " + strconv.Itoa(x.Status))
		p.text(x.Text)
	}
	p.raw(".It 128+n", "ended by signal n", ".El")
	if len(c.Commands) == 0 || c.Group != "" {
		p.raw(".Pp")
		p.text("brio help exit-codes lists those of all commands.")
	}
}

func (p *page) examples(c cmd.CommandDoc) {
	p.section("EXAMPLES")
	p.literal(c.Examples)
}

func (p *page) seeAlso(pages ...string) {
	p.section("SEE ALSO")
	for i, name := range pages {
		end := " ,"
		if i == len(pages)-1 {
			end = ""
		}
		p.raw(".Xr " + name + end)
	}
}
