// Runs chain_judge.cc: asks it about chains, and takes the other side of its handshakes, which presents the chain.
package main

import (
	"bufio"
	"crypto"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"time"
)

type Role int

const (
	clientRole Role = iota // a client's chain, judged by kferry's listener
	brokerRole             // a broker's chain, judged by kferry's side upstream
)

func (r Role) String() string { return [...]string{"client", "broker"}[r] }

// A chain and the trust store that judges it, in DER.
type Question struct {
	role             Role
	loadedAt, now    time.Time
	host             string // of a broker; empty: not verified
	anchors          [][]byte
	lists            [][]byte
	requiredSubjects []string // in handshakes of clients
	chain            [][]byte
}

type Outcome byte

const (
	accepted   Outcome = iota
	refused            // the chain
	unloadable         // the trust store itself
)

type Verdict struct {
	outcome   Outcome
	cause     string
	text      string
	alert     byte
	subject   string
	goodUntil int64
	path      []uint32
	notes     []string
}

func (v Verdict) String() string {
	switch v.outcome {
	case accepted:
		return "accepted"
	case refused:
		return fmt.Sprintf("refused (%s): %s", v.cause, v.text)
	default:
		return fmt.Sprintf("trust store refused (%s): %s", v.cause, v.text)
	}
}

// A running chain_judge, for one goroutine at a time.
type Judge struct {
	process *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
}

func newJudge(program string, now time.Time) *Judge {
	process := exec.Command(program)
	process.Stderr = os.Stderr
	in, err := process.StdinPipe()
	must(err)
	out, err := process.StdoutPipe()
	must(err)
	must(process.Start())
	judge := &Judge{process: process, in: in, out: bufio.NewReaderSize(out, 1<<16)}
	key := newKey(p256, 1000)
	own := &CertificateSpec{version: 3, serial: 1, issuer: commonName("listener"), subject: commonName("listener"), key: key,
		signer: key, notBefore: now.Add(-30 * day), notAfter: now.Add(day), pathLength: -1, dnsNames: []string{"listener.example.com"}}
	must(judge.send('I', append(listOf([][]byte{own.make()}), text(string(key.pkcs8()))...)))
	return judge
}

// Returns an error unless the exit status is 0; a sanitizer's finding is one.
func (j *Judge) stop() error {
	j.in.Close()
	return j.process.Wait()
}

// Asks the trust store directly.
func (j *Judge) ask(q Question) (Verdict, error) {
	if err := j.send('S', q.encode(false, tls.VersionTLS13)); err != nil {
		return Verdict{}, err
	}
	for {
		kind, content, err := j.receive()
		if err != nil {
			return Verdict{}, err
		}
		if kind == 'V' {
			return verdictOf(content)
		}
	}
}

// Asks by a handshake in which this side presents the chain and signs with `key`.
func (j *Judge) shakeHands(q Question, key crypto.Signer, version uint16) (Verdict, error) {
	if err := j.send('S', q.encode(true, version)); err != nil {
		return Verdict{}, err
	}
	pipe := &judgePipe{judge: j}
	certificate := tls.Certificate{Certificate: q.chain, PrivateKey: key}
	config := &tls.Config{MinVersion: version, MaxVersion: version, SessionTicketsDisabled: true}
	var peer *tls.Conn
	if q.role == clientRole {
		config.InsecureSkipVerify = true // the listener's certificate is not under test
		config.ServerName = "listener.example.com"
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return &certificate, nil
		}
		peer = tls.Client(pipe, config)
	} else {
		config.Certificates = []tls.Certificate{certificate}
		peer = tls.Server(pipe, config)
	}
	own := peer.Handshake()
	if pipe.broken != nil {
		return Verdict{}, pipe.broken
	}
	if pipe.verdict == nil {
		if err := j.send('E', nil); err != nil {
			return Verdict{}, err
		}
	}
	for pipe.verdict == nil {
		if err := pipe.next(); err != nil {
			return Verdict{}, err
		}
	}
	if pipe.verdict.outcome == accepted && own != nil {
		return *pipe.verdict, fmt.Errorf("kferry accepted, but this side's handshake failed: %w", own)
	}
	if pipe.verdict.outcome == refused {
		if own == nil { // a TLS 1.3 client finishes before the server judges it
			_, own = peer.Read(make([]byte, 1))
		}
		if !strings.HasPrefix(own.Error(), "remote error: tls: ") {
			return *pipe.verdict, fmt.Errorf("kferry refused without an alert: %w", own)
		}
	}
	return *pipe.verdict, nil
}

// The transport of one handshake.
type judgePipe struct {
	judge   *Judge
	pending []byte
	verdict *Verdict
	broken  error
}

func (p *judgePipe) next() error {
	kind, content, err := p.judge.receive()
	if err == nil && kind == 'V' {
		var verdict Verdict
		verdict, err = verdictOf(content)
		p.verdict = &verdict
	} else if err == nil {
		p.pending = append(p.pending, content...)
	}
	if err != nil {
		p.broken = err
	}
	return err
}

func (p *judgePipe) Read(room []byte) (int, error) {
	for len(p.pending) == 0 {
		if p.verdict != nil {
			return 0, io.EOF
		}
		if err := p.next(); err != nil {
			return 0, err
		}
	}
	taken := copy(room, p.pending)
	p.pending = p.pending[taken:]
	return taken, nil
}

func (p *judgePipe) Write(bytes []byte) (int, error) {
	if err := p.judge.send('D', bytes); err != nil {
		p.broken = err
		return 0, err
	}
	return len(bytes), nil
}

func (p *judgePipe) Close() error                     { return nil }
func (p *judgePipe) LocalAddr() net.Addr              { return &net.UnixAddr{} }
func (p *judgePipe) RemoteAddr() net.Addr             { return &net.UnixAddr{} }
func (p *judgePipe) SetDeadline(time.Time) error      { return nil }
func (p *judgePipe) SetReadDeadline(time.Time) error  { return nil }
func (p *judgePipe) SetWriteDeadline(time.Time) error { return nil }

// --- frames, documented in chain_judge.cc

func (j *Judge) send(kind byte, content []byte) error {
	frame := append(binary.BigEndian.AppendUint32(nil, uint32(len(content)+1)), kind)
	_, err := j.in.Write(append(frame, content...))
	return err
}

func (j *Judge) receive() (byte, []byte, error) {
	var head [5]byte
	if _, err := io.ReadFull(j.out, head[:]); err != nil {
		return 0, nil, fmt.Errorf("chain_judge ended: %w", err)
	}
	content := make([]byte, binary.BigEndian.Uint32(head[:])-1)
	_, err := io.ReadFull(j.out, content)
	return head[4], content, err
}

func (q Question) encode(handshake bool, version uint16) []byte {
	flag := byte(0)
	if handshake {
		flag = 1
	}
	number := byte(13)
	if version == tls.VersionTLS12 {
		number = 12
	}
	content := []byte{flag, byte(q.role), number}
	content = binary.BigEndian.AppendUint64(content, uint64(q.loadedAt.Unix()))
	content = binary.BigEndian.AppendUint64(content, uint64(q.now.Unix()))
	content = append(content, text(q.host)...)
	content = append(content, listOf(q.anchors)...)
	content = append(content, listOf(q.lists)...)
	var subjects [][]byte
	for _, rule := range q.requiredSubjects {
		subjects = append(subjects, []byte(rule))
	}
	content = append(content, listOf(subjects)...)
	if handshake {
		return append(content, listOf(nil)...)
	}
	return append(content, listOf(q.chain)...)
}

func text(s string) []byte { return append(binary.BigEndian.AppendUint32(nil, uint32(len(s))), s...) }

func listOf(items [][]byte) []byte {
	content := binary.BigEndian.AppendUint32(nil, uint32(len(items)))
	for _, item := range items {
		content = append(content, text(string(item))...)
	}
	return content
}

// A reader of verdicts whose error is sticky.
type fields struct {
	rest  []byte
	short bool
}

func (f *fields) number(size int) uint64 {
	if len(f.rest) < size {
		f.short = true
		return 0
	}
	value := uint64(0)
	for _, b := range f.rest[:size] {
		value = value<<8 | uint64(b)
	}
	f.rest = f.rest[size:]
	return value
}

func (f *fields) text() string {
	size := int(f.number(4))
	if f.short || len(f.rest) < size {
		f.short = true
		return ""
	}
	s := string(f.rest[:size])
	f.rest = f.rest[size:]
	return s
}

func verdictOf(content []byte) (Verdict, error) {
	f := &fields{rest: content}
	v := Verdict{outcome: Outcome(f.number(1)), cause: f.text(), text: f.text(), alert: byte(f.number(1)), subject: f.text()}
	v.goodUntil = int64(f.number(8))
	for n := f.number(4); n > 0 && !f.short; n-- {
		v.path = append(v.path, uint32(f.number(4)))
	}
	for n := f.number(4); n > 0 && !f.short; n-- {
		v.notes = append(v.notes, f.text())
	}
	if f.short {
		return v, errors.New("chain_judge sent a verdict that is too short")
	}
	return v, nil
}
