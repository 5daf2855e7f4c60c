package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/gwc-dev/gwc/cmd/serve"
	"github.com/gwc-dev/gwc/schema/artifact/sign"
)

func newKeygen(s streams) *cobra.Command {
	return &cobra.Command{
		Use:   "keygen NAME",
		Short: "Make a key for signing artifacts",
		Long: `keygen makes an Ed25519 key: NAME.key, which only its owner may read, and NAME.pub, whose one line gateways are
started with. Neither file may be there before. The last part of NAME stands in signatures.`,
		Args: arguments(1, 1),
		RunE: func(_ *cobra.Command, args []string) error {
			k, err := sign.Generate(filepath.Base(args[0]))
			if err != nil {
				return usage("%v", err)
			}
			private, public := args[0]+".key", args[0]+".pub"
			if err := createFile(private, k.Secret()+"\n", 0o600); err != nil {
				return err
			}
			if err := createFile(public, k.Public().String()+"\n", 0o644); err != nil {
				os.Remove(private) // made a moment ago, and of no use without the other
				return err
			}
			if _, err := fmt.Fprintln(s.out, k.Public()); err != nil {
				return unreachable(err)
			}
			s.say("wrote %s, which is secret, and %s", private, public)
			return nil
		},
	}
}

// createFile writes a file that must not be there, whatever the umask, and leaves nothing where it fails.
func createFile(name, text string, mode fs.FileMode) (err error) {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if errors.Is(err, fs.ErrExist) || errors.Is(err, fs.ErrNotExist) {
		return usage("cannot write %s: %v", name, cause(err))
	} else if err != nil {
		return unreachable(fmt.Errorf("cannot write %s: %w", name, cause(err)))
	}
	if err = f.Chmod(mode); err == nil {
		_, err = f.WriteString(text)
	}
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		os.Remove(name)
		return unreachable(fmt.Errorf("cannot write %s: %w", name, cause(err)))
	}
	return nil
}

// readKey reads a private key, which nobody but its owner may be able to read.
func readKey(name string) (*sign.Key, error) {
	text, mode, err := serve.ReadKeyFile(name)
	if err != nil {
		return nil, usage("%v", err)
	}
	k, err := sign.ParseKey(text)
	if err != nil {
		return nil, usage("%s: %v", name, err)
	}
	if mode.Perm()&0o077 != 0 {
		return nil, &exit{code: serve.Usage, err: fmt.Errorf("%s: others may read it (mode %04o), so it may not be secret any more", name, mode.Perm()),
			hints: []string{fmt.Sprintf("chmod 600 %s, or make a new key", name)}}
	}
	return k, nil
}

// readKeys reads the private keys of a repeated flag.
func readKeys(names []string) (list []*sign.Key, err error) {
	for _, name := range names {
		k, err := readKey(name)
		if err != nil {
			return nil, err
		}
		list = append(list, k)
	}
	return list, nil
}
