// Command image writes an OCI archive of the daemon: a scratch image for each
// architecture, with the files of a package and no shell. The same files give the
// same bytes.
//
//	image -version 0.1.0 -time 1767225600 -out estimatord.oci.tar amd64=DIR arm64=DIR
//
// DIR is what `make install` laid out. It is a module of its own: only this needs
// go-containerregistry.
package main

import (
	"archive/tar"
	"bytes"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log"
	"os"
	"path/filepath"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

func main() {
	version := flag.String("version", "", "version of the daemon")
	seconds := flag.Int64("time", 0, "time of everything in the image, in seconds since 1970")
	out := flag.String("out", "", "the archive")
	flag.Parse()
	if err := write(*out, *version, time.Unix(*seconds, 0).UTC(), flag.Args()); err != nil {
		log.Fatal("image: ", err)
	}
}

func write(out, version string, at time.Time, trees []string) error {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, tree := range trees {
		arch, dir, ok := strings.Cut(tree, "=")
		if !ok {
			return fmt.Errorf("%q is not ARCHITECTURE=DIR", tree)
		}
		img, err := image(arch, dir, version, at)
		if err != nil {
			return err
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add: img, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: arch}},
		})
	}
	dir, err := os.MkdirTemp("", "image")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	archive, err := os.Create(out)
	if err != nil {
		return err
	}
	defer archive.Close()
	path, err := layout.Write(dir, empty.Index)
	if err != nil {
		return err
	}
	// A tag takes neither of the signs that order versions.
	name := "estimatord:" + strings.NewReplacer("~", "-", "+", "-").Replace(version)
	if err := path.AppendIndex(index, layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": name})); err != nil {
		return err
	}
	if err := pack(archive, at, dir); err != nil {
		return err
	}
	return archive.Close()
}

// image is the one of an architecture: one layer, with the directories that are
// written to at run time.
func image(arch, dir, version string, at time.Time) (v1.Image, error) {
	var files bytes.Buffer
	if err := pack(&files, at, dir, "run/estimatord", "var/lib/estimatord"); err != nil {
		return nil, err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(files.Bytes())), nil
	}, tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return nil, err
	}
	img, err := mutate.AppendLayers(mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON), layer)
	if err != nil {
		return nil, err
	}
	config, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Created = "linux", arch, v1.Time{Time: at}
	config.Config = v1.Config{
		Entrypoint: []string{"/usr/bin/estimatord"},
		Cmd:        []string{"--config", "/etc/estimatord/estimatord.yaml"},
		Env: []string{ // as in the unit
			"ESTIMATORD_STATE_FILE=/var/lib/estimatord/state.json",
			"ESTIMATORD_DECISIONS_DIR=/var/lib/estimatord/decisions",
			"GOMEMLIMIT=128MiB",
		},
		Labels: map[string]string{
			"org.opencontainers.image.title":    "estimatord",
			"org.opencontainers.image.version":  version,
			"org.opencontainers.image.licenses": "Apache-2.0",
			"org.opencontainers.image.source":   "https://github.com/estimatord/estimatord",
		},
	}
	return mutate.ConfigFile(img, config)
}

// pack writes what is in dir, and empty directories, with nothing in it that
// depends on who packs it where and when.
func pack(to io.Writer, at time.Time, dir string, empty ...string) error {
	w := tar.NewWriter(to)
	header := func(name string, mode fs.FileMode, size int64) error {
		h := &tar.Header{Name: name, Mode: int64(mode.Perm()), Size: size, ModTime: at, Typeflag: tar.TypeReg, Format: tar.FormatPAX}
		if mode.IsDir() {
			h.Name, h.Typeflag = name+"/", tar.TypeDir
		}
		return w.WriteHeader(h)
	}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return header(name, info.Mode(), 0)
		}
		if !info.Mode().IsRegular() {
			return fmt.Errorf("%s is no regular file", path)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if err := header(name, info.Mode(), int64(len(data))); err != nil {
			return err
		}
		_, err = w.Write(data)
		return err
	})
	if err != nil {
		return err
	}
	for _, name := range empty {
		if err := header(name, fs.ModeDir|0o755, 0); err != nil {
			return err
		}
	}
	return w.Close()
}
