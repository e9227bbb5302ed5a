package tlsx

import (
	"fmt"
	"strings"
)

// RFC 3207 (SMTP) and RFC 2033 (LMTP, which says LHLO).

func smtpClient(d *dialogue, hello string) error {
	if _, err := d.reply("220"); err != nil {
		return err
	}
	features, err := d.ask(hello+" localhost", "250")
	if err != nil {
		return err
	}
	if !hasWord(features, "STARTTLS") {
		return d.refused("", "the server does not offer STARTTLS")
	}
	_, err = d.ask("STARTTLS", "220")
	return err
}

func smtpServer(d *dialogue, hello string) error {
	kind := "ESMTP"
	if hello == "LHLO" {
		kind = "LMTP"
	}
	if err := d.sendf("220 %s %s brio\r\n", d.name, kind); err != nil {
		return err
	}
	return d.commands(func(line string) (bool, error) {
		switch verb(line) {
		case hello:
			return false, d.sendf("250-%s\r\n250 STARTTLS\r\n", d.name)
		case "HELO":
			return false, d.sendf("250 %s\r\n", d.name)
		case "STARTTLS":
			return true, d.sendf("220 ready to start TLS\r\n")
		case "NOOP", "RSET":
			return false, d.sendf("250 OK\r\n")
		case "QUIT":
			return false, d.quit("221 bye\r\n")
		}
		return false, d.sendf("530 issue a STARTTLS command first\r\n")
	})
}

// quit says the last words to a client that leaves without TLS.
func (d *dialogue) quit(words string) error {
	if err := d.sendf("%s", words); err != nil {
		return err
	}
	return d.refused("", "the client left")
}

// RFC 9051, section 6.2.1.

func imapClient(d *dialogue) error {
	greeting, err := d.line()
	if err != nil {
		return err
	}
	if !strings.HasPrefix(greeting, "* OK") {
		return d.refused(greeting, "not a greeting that allows STARTTLS")
	}
	features, err := d.imapCommand("a1", "CAPABILITY")
	if err != nil {
		return err
	}
	if !hasWord(features, "STARTTLS") {
		return d.refused("", "the server does not offer STARTTLS")
	}
	_, err = d.imapCommand("a2", "STARTTLS")
	return err
}

func (d *dialogue) imapCommand(tag, command string) (lines []string, err error) {
	if err := d.sendf("%s %s\r\n", tag, command); err != nil {
		return nil, err
	}
	for {
		l, err := d.line()
		if err != nil {
			return nil, err
		}
		rest, tagged := strings.CutPrefix(l, tag+" ")
		switch {
		case !tagged:
			lines = append(lines, l)
		case verb(rest) == "OK":
			return lines, nil
		default:
			return nil, d.refused(l, "the server refuses")
		}
	}
}

func imapServer(d *dialogue) error {
	if err := d.sendf("* OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED] %s\r\n", d.name); err != nil {
		return err
	}
	return d.commands(func(line string) (bool, error) {
		tag, command, _ := strings.Cut(line, " ")
		switch verb(command) {
		case "CAPABILITY":
			return false, d.sendf("* CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED\r\n%s OK done\r\n", tag)
		case "STARTTLS":
			return true, d.sendf("%s OK begin TLS\r\n", tag)
		case "NOOP":
			return false, d.sendf("%s OK done\r\n", tag)
		case "LOGOUT":
			return false, d.quit(fmt.Sprintf("* BYE\r\n%s OK done\r\n", tag))
		}
		return false, d.sendf("%s BAD issue a STARTTLS command first\r\n", tag)
	})
}

// RFC 2595, section 4.

func pop3Client(d *dialogue) error {
	if err := d.pop3Reply(); err != nil {
		return err
	}
	if err := d.sendf("STLS\r\n"); err != nil {
		return err
	}
	return d.pop3Reply()
}

func (d *dialogue) pop3Reply() error {
	l, err := d.line()
	if err == nil && !strings.HasPrefix(l, "+OK") {
		err = d.refused(l, "the server refuses")
	}
	return err
}

func pop3Server(d *dialogue) error {
	if err := d.sendf("+OK %s\r\n", d.name); err != nil {
		return err
	}
	return d.commands(func(line string) (bool, error) {
		switch verb(line) {
		case "STLS":
			return true, d.sendf("+OK begin TLS\r\n")
		case "CAPA":
			return false, d.sendf("+OK\r\nSTLS\r\n.\r\n")
		case "QUIT":
			return false, d.quit("+OK bye\r\n")
		}
		return false, d.sendf("-ERR issue a STLS command first\r\n")
	})
}

// RFC 4217, section 4.

func ftpClient(d *dialogue) error {
	if _, err := d.reply("220"); err != nil {
		return err
	}
	_, err := d.ask("AUTH TLS", "234")
	return err
}

func ftpServer(d *dialogue) error {
	if err := d.sendf("220 %s\r\n", d.name); err != nil {
		return err
	}
	return d.commands(func(line string) (bool, error) {
		switch strings.ToUpper(line) {
		case "AUTH TLS", "AUTH TLS-C", "AUTH SSL":
			return true, d.sendf("234 begin TLS\r\n")
		case "FEAT":
			return false, d.sendf("211-features\r\n AUTH TLS\r\n211 end\r\n")
		case "QUIT":
			return false, d.quit("221 bye\r\n")
		}
		return false, d.sendf("530 issue AUTH TLS first\r\n")
	})
}

// RFC 4642, section 2.

func nntpClient(d *dialogue) error {
	if _, err := d.reply("20"); err != nil {
		return err
	}
	_, err := d.ask("STARTTLS", "382")
	return err
}

func nntpServer(d *dialogue) error {
	if err := d.sendf("200 %s\r\n", d.name); err != nil {
		return err
	}
	return d.commands(func(line string) (bool, error) {
		switch verb(line) {
		case "STARTTLS":
			return true, d.sendf("382 begin TLS\r\n")
		case "CAPABILITIES":
			return false, d.sendf("101 capabilities\r\nVERSION 2\r\nSTARTTLS\r\n.\r\n")
		case "QUIT":
			return false, d.quit("205 bye\r\n")
		}
		return false, d.sendf("483 issue a STARTTLS command first\r\n")
	})
}

// RFC 5804, section 2.2.

func sieveClient(d *dialogue) error {
	features, err := d.sieveReply()
	if err != nil {
		return err
	}
	if !hasWord(features, `"STARTTLS"`) {
		return d.refused("", "the server does not offer STARTTLS")
	}
	if err := d.sendf("STARTTLS\r\n"); err != nil {
		return err
	}
	_, err = d.sieveReply()
	return err
}

func (d *dialogue) sieveReply() (lines []string, err error) {
	for {
		l, err := d.line()
		if err != nil {
			return nil, err
		}
		switch verb(l) {
		case "OK":
			return lines, nil
		case "NO", "BYE":
			return nil, d.refused(l, "the server refuses")
		}
		if len(lines) == 0 && !strings.HasPrefix(l, `"`) {
			return nil, d.refused(l, "not a reply of this protocol")
		}
		lines = append(lines, l)
	}
}

func sieveServer(d *dialogue) error {
	features := "\"IMPLEMENTATION\" \"brio\"\r\n\"VERSION\" \"1.0\"\r\n\"STARTTLS\"\r\nOK\r\n"
	if err := d.sendf("%s", features); err != nil {
		return err
	}
	return d.commands(func(line string) (bool, error) {
		switch verb(line) {
		case "STARTTLS":
			return true, d.sendf("OK begin TLS\r\n")
		case "CAPABILITY":
			return false, d.sendf("%s", features)
		case "LOGOUT":
			return false, d.quit("OK\r\n")
		}
		return false, d.sendf("NO \"issue a STARTTLS command first\"\r\n")
	})
}

// The tls extension of IRCv3: 670 means go ahead, 691 that it failed.

func ircClient(d *dialogue) error {
	if err := d.sendf("STARTTLS\r\n"); err != nil {
		return err
	}
	for {
		l, err := d.line()
		if err != nil {
			return err
		}
		words := strings.Fields(l)
		prefixed := len(words) > 1 && strings.HasPrefix(words[0], ":")
		if prefixed {
			words = words[1:]
		}
		if len(words) == 0 {
			continue
		}
		switch words[0] {
		case "670":
			return nil
		case "691", "421", "451", "ERROR":
			return d.refused(l, "the server refuses")
		case "PING":
			if err := d.sendf("PONG %s\r\n", strings.Join(words[1:], " ")); err != nil {
				return err
			}
		case "NOTICE":
		default:
			if !prefixed {
				return d.refused(l, "not a reply of this protocol")
			}
		}
	}
}

func ircServer(d *dialogue) error {
	return d.commands(func(line string) (bool, error) {
		switch verb(line) {
		case "STARTTLS":
			return true, d.sendf(":%s 670 * :begin TLS\r\n", d.name)
		case "CAP":
			return false, d.sendf(":%s CAP * LS :tls\r\n", d.name)
		case "QUIT":
			return false, d.quit("ERROR :bye\r\n")
		}
		return false, d.sendf(":%s 451 * :issue a STARTTLS command first\r\n", d.name)
	})
}

// RFC 6120, section 5.4.

func xmppClient(d *dialogue, namespace string) error {
	err := d.sendf("<?xml version='1.0'?><stream:stream xmlns='%s' xmlns:stream='http://etherx.jabber.org/streams' to='%s' version='1.0'>",
		namespace, escapeXML(d.name))
	if err != nil {
		return err
	}
	first, err := d.r.Peek(1)
	if err != nil {
		return unexpectedEOF(err)
	}
	if first[0] != '<' {
		l, _ := d.line() // what there is of it
		return d.refused(l, "not a reply of this protocol")
	}
	features, err := d.until("</stream:features>", "<stream:features/>", "</stream:stream>")
	if err != nil {
		return err
	}
	if !strings.Contains(features, "urn:ietf:params:xml:ns:xmpp-tls") {
		return d.refused("", "the server does not offer STARTTLS")
	}
	if err := d.sendf("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"); err != nil {
		return err
	}
	answer, err := d.until(">")
	if err != nil {
		return err
	}
	if !strings.Contains(answer, "<proceed") {
		return d.refused(answer, "the server refuses")
	}
	if !strings.HasSuffix(answer, "/>") {
		_, err = d.until("</proceed>")
	}
	return err
}

func escapeXML(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "'", "&apos;").Replace(s)
}

func xmppServer(d *dialogue, namespace string) error {
	opening, err := d.until(">")
	for err == nil && strings.HasPrefix(strings.TrimSpace(opening), "<?") {
		opening, err = d.until(">")
	}
	if err != nil {
		return err
	}
	if !strings.Contains(opening, "<stream:stream") || !strings.Contains(opening, namespace) {
		return d.refused("", "the client did not open a stream for "+namespace)
	}
	err = d.sendf("<?xml version='1.0'?><stream:stream xmlns='%s' xmlns:stream='http://etherx.jabber.org/streams' from='%s' id='1' version='1.0'>"+
		"<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls></stream:features>", namespace, escapeXML(d.name))
	if err != nil {
		return err
	}
	request, err := d.until("/>", "</starttls>", "</stream:stream>")
	if err != nil {
		return err
	}
	if !strings.Contains(request, "<starttls") {
		return d.refused("", "the client did not start TLS")
	}
	return d.sendf("<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
}
