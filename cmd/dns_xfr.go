package cmd

import (
	"bufio"
	"context"
	"errors"
	"io"
	"strconv"

	"github.com/miekg/dns"
	"github.com/spf13/pflag"

	"github.com/brio-net/brio/pkg/dnsq"
)

func (m *dnsModes) transferFlags(f *pflag.FlagSet) {
	f.BoolVar(&m.axfr, "axfr", false, "transfer the whole zone NAME: complete, or not status 0 (the same as type AXFR)")
	f.StringVar(&m.ixfr, "ixfr", "", "transfer the changes of the zone NAME since `SERIAL`")
}

// A dnsTransferRecord is the JSON of a record of a transfer. The last line, a
// [dnsq.TransferResult], says whether the transfer is complete.
type dnsTransferRecord struct {
	Change string `json:"change"` // delete or add in an incremental transfer, else ""
	dnsq.RR
}

// askTransfer transfers a zone from the first server that gives it.
func (o *dnsOptions) askTransfer(ctx context.Context, e *env, r *dnsq.Resolver, _ *dnsPlan, q dnsQuestion) error {
	cfg := dnsq.TransferConfig{Client: o.modes.client, Timeout: o.tryTimeout}
	switch {
	case o.modes.ixfr != "":
		serial, err := strconv.ParseUint(o.modes.ixfr, 10, 32)
		if err != nil {
			return usagef("--ixfr %s: not a serial number", o.modes.ixfr).hint("the serial of a zone: brio dns-query %s SOA --get answer.serial", q.text)
		}
		cfg.Incremental, cfg.Serial, q.qtype = true, uint32(serial), dns.TypeIXFR
	case q.qtype == dns.TypeIXFR && !o.modes.axfr:
		return usagef("IXFR needs the serial number to begin at").hint("brio dns-query %s --ixfr SERIAL", q.text)
	default:
		q.qtype = dns.TypeAXFR
	}
	if len(r.Servers()) == 0 {
		return modeFailed(q, dnsq.ErrNoServer)
	}
	var (
		res *dnsq.TransferResult
		err error
	)
	for _, srv := range r.Servers() {
		if srv.Transport == dnsq.HTTPS || srv.Transport == dnsq.QUIC {
			return usagef("zones are not transferred over %s", srv.Transport).hint("ask over TCP or TLS: @tcp://%s or @tls://%s", srv.Host, srv.Host)
		}
		w := bufio.NewWriterSize(e.out, 64<<10)
		res, err = dnsq.Transfer(ctx, srv, q.name, cfg, func(rec *dnsq.TransferRecord) error { return e.writeTransferRecord(w, rec) })
		if ferr := w.Flush(); err == nil {
			err = ferr
		}
		if err == nil || res.Records > 0 || ctx.Err() != nil {
			break
		}
	}
	if err == nil {
		e.tellTransfer(res, cfg.Incremental)
	}
	if err != nil && !errors.Is(err, errStdoutGone) && !errors.As(err, new(*outputError)) {
		err = modeFailed(q, err)
	}
	return firstError(emitFailed(e, res, err, func(io.Writer, *dnsq.TransferResult) error { return nil }), err)
}

// tellTransfer says what an incremental transfer without changes means.
func (e *env) tellTransfer(res *dnsq.TransferResult, incremental bool) {
	switch {
	case res.Kind == dnsq.TransferCurrent:
		e.note("%s: serial %d is the newest, nothing has changed", res.Zone, res.Serial)
	case incremental && res.Kind == dnsq.TransferFull:
		e.note("%s: the server sent the whole zone, not the changes", res.Zone)
	}
}

// writeTransferRecord prints a record as a line of a zone file, or of JSON. The
// changes of an incremental transfer begin with - or +.
func (e *env) writeTransferRecord(w *bufio.Writer, r *dnsq.TransferRecord) error {
	if e.format == "json" {
		if e.get != "" || e.writeOut != "" {
			return nil // a field of the summary is asked for
		}
		line, err := marshalLine(dnsTransferRecord{r.Change, dnsq.NewRR(r.RR())})
		if err == nil {
			_, err = w.Write(append(line, '\n'))
		}
		return err
	}
	if e.format == "sh" {
		return nil
	}
	line := w.AvailableBuffer()
	switch r.Change {
	case dnsq.ChangeDelete:
		line = append(line, "- "...)
	case dnsq.ChangeAdd:
		line = append(line, "+ "...)
	}
	_, err := w.Write(append(r.AppendText(line), '\n'))
	return err
}
