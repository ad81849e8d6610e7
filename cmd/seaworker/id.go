package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/node/addr"
	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// idView is who this is.
type idView struct {
	Entity  identity.Entity `json:"entity"`
	Address addr.Addr       `json:"address"`
	File    string          `json:"file"`
}

func newID(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "id",
		Short: "Show who this is; make and back up the key",
		Long: `Show this entity's public key and address. The key is made by "up" when there is
none, or by "id new". Whoever has the key file can spend in its name: it is
readable by its owner alone, and a passphrase can be put on it.`,
		Example: "  seaworker id",
		Args:    exactArgs(0),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir, err := pickFolder(c.dir)
			if err != nil {
				return err
			}
			key, err := openKey(dir)
			if err != nil {
				return err
			}
			return c.printID(dir, key)
		},
	}
	cmd.AddCommand(newIDNew(c), newIDBackup(c), newIDRestore(c))
	return cmd
}

func (c *cli) printID(dir folder, key *identity.Key) error {
	v := idView{Entity: key.Entity(), Address: addr.OfNode(key.Entity()), File: dir.key()}
	if c.json {
		return c.printJSON(v)
	}
	_, err := fmt.Fprintf(c.stdout, "entity   %s\naddress  %s\nkey      %s\n", v.Entity, v.Address, v.File)
	return err
}

// openKey opens the folder's key; without one it is a failure that says how to
// make it.
func openKey(dir folder) (*identity.Key, error) {
	key, err := identity.OpenKey(dir.key(), askPassphrase)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, failf(exitUsage, reasonNotFound, "make one with \"seaworker id new\"; \"up\" does so by itself", "there is no key in %s", dir)
	}
	return key, err
}

// askPassphrase takes the passphrase from SEA_PASSPHRASE, else from a person.
func askPassphrase() (string, error) {
	if p, ok := os.LookupEnv("SEA_PASSPHRASE"); ok {
		return p, nil
	}
	if !term.IsTerminal(int(os.Stdin.Fd())) {
		return "", usagef("set SEA_PASSPHRASE", "the key has a passphrase and there is no terminal to ask for it")
	}
	fmt.Fprint(os.Stderr, "passphrase: ")
	p, err := term.ReadPassword(int(os.Stdin.Fd()))
	fmt.Fprintln(os.Stderr)
	return string(p), err
}

func newIDNew(c *cli) *cobra.Command {
	var protect bool
	cmd := &cobra.Command{
		Use:     "new",
		Short:   "Make this folder's key",
		Long:    "Make this folder's key, with the work that the sea asks of keys (a moment).\nA key that is there is never replaced.",
		Example: "  seaworker id new --passphrase",
		Args:    exactArgs(0),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir, err := pickFolder(c.dir)
			if err != nil {
				return err
			}
			if err := dir.make(); err != nil {
				return err
			}
			var passphrase string
			if protect {
				if passphrase, err = askPassphrase(); err != nil {
					return err
				}
			}
			key, err := identity.NewKey(cmd.Context(), identity.DefaultWork)
			if err != nil {
				return err
			}
			if err := key.Save(dir.key(), passphrase); err != nil {
				if errors.Is(err, fs.ErrExist) {
					return usagef("use another --dir for another entity", "%s has a key already", dir)
				}
				return err
			}
			return c.printID(dir, key)
		},
	}
	cmd.Flags().BoolVar(&protect, "passphrase", false, "put a passphrase on the key ($SEA_PASSPHRASE, else asked for)")
	return cmd
}

func newIDBackup(c *cli) *cobra.Command {
	var plain bool
	cmd := &cobra.Command{
		Use:   "backup FILE",
		Short: "Copy the key to a file, with a passphrase",
		Long: `Copy the key to a new file that only its owner can read, under a passphrase
($SEA_PASSPHRASE, else asked for). age's own tools open it too. The ledger is
not in it: copy the whole folder, with the daemon stopped, to keep that.`,
		Example: "  seaworker id backup ~/sea-key.age",
		Args:    exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir, err := pickFolder(c.dir)
			if err != nil {
				return err
			}
			key, err := openKey(dir)
			if err != nil {
				return err
			}
			var passphrase string
			if !plain {
				if passphrase, err = askPassphrase(); err != nil {
					return err
				}
				if passphrase == "" {
					return usagef("give one, or say --no-passphrase", "the passphrase is empty")
				}
			}
			if err := key.Save(args[0], passphrase); err != nil {
				return fmt.Errorf("back up the key: %w", err)
			}
			if c.json {
				return c.printJSON(map[string]string{"file": args[0]})
			}
			_, err = fmt.Fprintln(c.stdout, args[0])
			return err
		},
	}
	cmd.Flags().BoolVar(&plain, "no-passphrase", false, "leave the copy unprotected")
	return cmd
}

func newIDRestore(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:     "restore FILE",
		Short:   "Make this folder's key from a backup",
		Example: "  seaworker id restore ~/sea-key.age",
		Args:    exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir, err := pickFolder(c.dir)
			if err != nil {
				return err
			}
			var passphrase string // the restored key keeps the backup's
			key, err := identity.OpenKey(args[0], func() (_ string, err error) {
				passphrase, err = askPassphrase()
				return passphrase, err
			})
			if err != nil {
				return err
			}
			if err := dir.make(); err != nil {
				return err
			}
			if err := key.Save(dir.key(), passphrase); err != nil {
				return fmt.Errorf("restore the key: %w", err)
			}
			return c.printID(dir, key)
		},
	}
}
