package main

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/ledger"
	"github.com/spf13/cobra"
)

func newCert(c *cli) *cobra.Command {
	group := &cobra.Command{
		Use:   "cert",
		Short: "Let other nodes act for this entity, up to a budget",
		Long: `A fleet is several nodes of one entity. Each node has its own key and its own
lines; a certificate says for whom it acts, what it may do, how much it may
promise to all, and until when. The entity's machine issues it, the node adds it,
and its peers see it. A revocation is handed from the entity to its nodes, and by
them to their peers: who has not heard of it cannot know, so give short times.`,
	}
	group.AddCommand(newCertIssue(c), newCertAdd(c), newCertShow(c), newCertList(c), newCertRevoke(c))
	return asGroup(group)
}

// certRequest asks for a certificate.
type certRequest struct {
	Node   string    `json:"node"`
	Can    []string  `json:"can"`
	Budget int64     `json:"budget_micro"`
	Until  time.Time `json:"until"`
}

// revokeRequest takes a node's certificates back.
type revokeRequest struct {
	Node string `json:"node"`
	All  bool   `json:"all,omitempty"` // those too that are not known here
}

// certView is a certificate or a revocation: what it says, and the file of it.
type certView struct {
	Node identity.Entity `json:"node"`
	*ledger.Acting
	Entity  identity.Entity `json:"entity"`
	Revoked *uint64         `json:"revoked_up_to,omitempty"` // serial
	File    string          `json:"file"`
}

// certsView is all that a node knows of certificates for and by itself.
type certsView struct {
	ActsFor *ledger.Acting  `json:"acts_for,omitempty"`
	Issued  []ledger.Issued `json:"issued"`
}

const certLife = 30 * 24 * time.Hour

func newCertIssue(c *cli) *cobra.Command {
	in := certRequest{Can: []string{ledger.CanPay, ledger.CanSell}}
	var budget, end, life, out string
	cmd := &cobra.Command{
		Use:   "issue NODE",
		Short: "Sign a certificate for a node's key",
		Long: `Sign a certificate by which the node with this public key ("seaworker id" there)
acts for this entity. Its budget is what it may promise and lock in all, to all,
ever: it does not come back when it is repaid. The file holds no secret; give it
to the node, which adds it with "seaworker cert add".`,
		Example: "  seaworker cert issue 9b1c04… --can sell,pay --budget 100 --for 7d > node.cert",
		Args:    exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			in.Node = args[0]
			if in.Budget, err = parseCredits(budget); err != nil {
				return err
			}
			if in.Until, err = certEnd(life, end); err != nil {
				return err
			}
			return c.certFile(cmd, "/certs", in, out, true)
		},
	}
	cmd.Flags().StringSliceVar(&in.Can, "can", in.Can, "what it may do: `WORDS` of sell and pay")
	cmd.Flags().StringVar(&budget, "budget", "0", "`CREDITS` that it may promise in all")
	cmd.Flags().StringVar(&life, "for", "", "for so long: 12h, 7d (30d unless told)")
	cmd.Flags().StringVar(&end, "until", "", "until this day (2026-11-22) or time (RFC 3339)")
	cmd.Flags().StringVarP(&out, "out", "o", "", "write it to `FILE` and say what is in it")
	return cmd
}

// certEnd reads --for and --until.
func certEnd(life, end string) (time.Time, error) {
	switch {
	case life != "" && end != "":
		return time.Time{}, usagef("", "--for and --until exclude each other")
	case end != "":
		return parseWhen("--until", end)
	case life == "":
		return time.Now().Add(certLife), nil
	}
	d, err := time.ParseDuration(life)
	if days, ok := strings.CutSuffix(life, "d"); ok {
		var n uint64
		n, err = strconv.ParseUint(days, 10, 16)
		d = time.Duration(n) * 24 * time.Hour
	}
	if err != nil || d <= 0 {
		return time.Time{}, usagef("write 12h or 7d", "--for %q is no time", life)
	}
	return time.Now().Add(d), nil
}

// certFile has the node sign something and writes the file of it to out; without
// one it goes to stdout if bare is said.
func (c *cli) certFile(cmd *cobra.Command, path string, in any, out string, bare bool) error {
	api, err := c.reader(cmd.Context())
	if err != nil {
		return err
	}
	defer api.close()
	var v certView
	if err := api.do(cmd.Context(), http.MethodPost, path, in, &v); err != nil {
		return err
	}
	if out != "" {
		if err := os.WriteFile(out, []byte(v.File), 0o644); err != nil {
			return fmt.Errorf("write the file: %w", err)
		}
	}
	switch {
	case c.json:
		return c.printJSON(v)
	case out == "" && bare:
		_, err = fmt.Fprint(c.stdout, v.File)
		return err
	}
	return c.printCert(v)
}

func (c *cli) printCert(v certView) error {
	if c.json {
		return c.printJSON(v)
	}
	if v.Revoked != nil {
		_, err := fmt.Fprintf(c.stdout, "node      %s\nrevoked   by %s: all certificates up to number %d\n", v.Node, v.Entity, *v.Revoked)
		return err
	}
	acts := *v.Acting
	acts.Entity = v.Entity // in JSON the two are one
	_, err := fmt.Fprintf(c.stdout, "node      %s\nacts for  %s\n", v.Node, actingText(acts))
	return err
}

// actingText says for whom a node acts, in a line.
func actingText(a ledger.Acting) string {
	text := fmt.Sprintf("%s until %s, certificate %d: ", a.Entity, a.Until.UTC().Format("2006-01-02 15:04 UTC"), a.Serial)
	if len(a.Can) == 0 {
		text += "may do nothing"
	} else {
		text += "may " + strings.Join(a.Can, ", ")
	}
	if slices.Contains(a.Can, ledger.CanPay) {
		text += fmt.Sprintf("; %s of %s promised", credits(int64(a.Used)), credits(int64(a.Budget)))
	}
	if a.Standing != ledger.Holds {
		text += "; " + string(a.Standing) + ": it acts for itself"
	}
	return text
}

func newCertAdd(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "add FILE",
		Short: "Act under a certificate from now on, or take in a revocation",
		Long: `A certificate for this node is put into its folder; the daemon acts under it when
it starts. A revocation is taken in at once, also one that came by hand: from then
on the node that it names acts for itself only.`,
		Example: "  seaworker cert add node.cert",
		Args:    exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			mark, s, err := readStatement(args[0])
			if err != nil {
				return err
			}
			if mark == revocationMark {
				return c.addRevocation(cmd, s)
			}
			dir, err := pickFolder(c.dir)
			if err != nil {
				return err
			}
			key, err := openKey(dir)
			if err != nil {
				return err
			}
			cert, err := checkCertificate(mark, s, key.Entity())
			if err != nil {
				return usagef("have one issued for the key that \"seaworker id\" shows", "%s: %v", args[0], err)
			}
			if err := cert.ValidAt(time.Now()); errors.Is(err, identity.ErrExpired) && cert.NotAfter < time.Now().Unix() {
				return usagef("have a new one issued", "%s: %v", args[0], err)
			}
			if err := replaceFile(dir.certificate(), statementFile(mark, s)); err != nil {
				return err
			}
			if api, err := daemonClient(cmd.Context(), dir); err == nil {
				api.close()
				fmt.Fprintln(c.stderr, "The daemon acts under it when it is started again.")
			}
			return c.printCert(certOf(s, cert, nil))
		},
	}
}

// replaceFile puts text at path, whole or not at all.
func replaceFile(path, text string) error {
	next := path + ".new"
	if err := os.WriteFile(next, []byte(text), 0o600); err != nil {
		return err
	}
	return os.Rename(next, path)
}

func (c *cli) addRevocation(cmd *cobra.Command, s identity.Statement) error {
	api, err := c.reader(cmd.Context())
	if err != nil {
		return err
	}
	defer api.close()
	var v certView
	if err := api.do(cmd.Context(), http.MethodPost, "/certs/revocations", certView{File: statementFile(revocationMark, s)}, &v); err != nil {
		return err
	}
	return c.printCert(v)
}

// certOf shows a certificate; l, unless nil, knows what was revoked.
func certOf(s identity.Statement, cert identity.Certificate, l *ledger.Ledger) certView {
	a := ledger.ShowCertificate(s.By, cert, l != nil && l.Revoked(s.By, cert), time.Now())
	return certView{Node: cert.Node, Acting: &a, Entity: s.By, File: statementFile(certificateMark, s)}
}

func revocationOf(s identity.Statement, r identity.Revocation) certView {
	return certView{Node: r.Node, Entity: s.By, Revoked: &r.Serial, File: statementFile(revocationMark, s)}
}

func newCertShow(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:     "show [FILE]",
		Short:   "Show for whom this node acts, or what a file says",
		Example: "  seaworker cert show\n  seaworker cert show node.cert",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				return c.showCertFile(args[0])
			}
			var v certsView
			if err := c.read(cmd.Context(), "/certs", &v); err != nil {
				return err
			}
			if c.json {
				return c.printJSON(v)
			}
			if v.ActsFor == nil {
				_, err := fmt.Fprintln(c.stdout, "this node acts for itself")
				return err
			}
			_, err := fmt.Fprintf(c.stdout, "acts for  %s\n", actingText(*v.ActsFor))
			return err
		},
	}
}

func (c *cli) showCertFile(name string) error {
	mark, s, err := readStatement(name)
	if err != nil {
		return err
	}
	if mark == revocationMark {
		r, err := identity.OpenRevocation(s)
		if err != nil {
			return failf(exitMismatch, reasonMismatch, "believe nobody who shows it", "%s: %v", name, err)
		}
		return c.printCert(revocationOf(s, r))
	}
	cert, err := identity.OpenCertificate(s)
	if err != nil {
		return failf(exitMismatch, reasonMismatch, "believe nobody who shows it", "%s: %v", name, err)
	}
	return c.printCert(certOf(s, cert, nil))
}

func newCertList(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the nodes that this entity lets act for it",
		Long: `List the newest certificate of each node that this entity gave one. What a node
has promised is in its own ledger, and is not known here.`,
		Example: "  seaworker cert list",
		Args:    exactArgs(0),
		RunE: func(cmd *cobra.Command, args []string) error {
			var v certsView
			if err := c.read(cmd.Context(), "/certs", &v); err != nil {
				return err
			}
			if c.json {
				return c.printJSON(v.Issued)
			}
			var rows []string
			for _, i := range v.Issued {
				rows = append(rows, fmt.Sprintf("%s\t%d\t%s\t%s\t%s\t%s", i.Node.Short(), i.Serial, strings.Join(i.Can, ","),
					credits(int64(i.Budget)), i.Until.UTC().Format("2006-01-02 15:04"), i.Standing))
			}
			return c.table("NODE\tNUMBER\tMAY\tBUDGET\tUNTIL\tSTATE", rows)
		},
	}
}

func newCertRevoke(c *cli) *cobra.Command {
	var in revokeRequest
	var out string
	cmd := &cobra.Command{
		Use:   "revoke NODE",
		Short: "Take a node's certificates back",
		Long: `Take back all certificates that this entity gave a node. The daemon hands the
signed revocation to its nodes and its peers, and they to theirs, until the last
of those certificates has ended. Peers that have it lend the node nothing more;
who has not heard of it cannot know, and goes by the certificate until that ends.
What the node promised before stays promised.`,
		Example: "  seaworker cert revoke 9b1c04 -o gone.rev",
		Args:    exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			in.Node = args[0]
			return c.certFile(cmd, "/certs/revoke", in, out, false)
		},
	}
	cmd.Flags().BoolVar(&in.All, "all", false, "also what this folder does not know of, for ever: when it was lost")
	cmd.Flags().StringVarP(&out, "out", "o", "", "write it to `FILE` too, for peers to add by hand")
	return cmd
}
