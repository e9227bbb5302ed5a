package main

import (
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// A component is a module, in the terms of CycloneDX 1.5.
type component struct {
	Type    string `json:"type"`
	Name    string `json:"name"`
	Version string `json:"version"`
	PURL    string `json:"purl"`
}

func goModule(kind, path, version string) component {
	return component{kind, path, version, "pkg:golang/" + path + "@" + version}
}

// writeSBOM writes what the binary is made of, as it says itself.
func (r *release) writeSBOM(binary string) error {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return err
	}
	parts := []component{goModule("library", "std", strings.TrimPrefix(info.GoVersion, "go"))}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		parts = append(parts, goModule("library", m.Path, m.Version))
	}
	id := sha256.Sum256(fmt.Appendf(nil, "%s %v", r.version, parts))
	id[6], id[8] = id[6]&0x0f|0x80, id[8]&0x3f|0x80 // RFC 9562 section 5.8: a UUID of version 8
	doc, err := json.MarshalIndent(map[string]any{
		"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
		"serialNumber": fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:16]),
		"metadata": map[string]any{
			"timestamp": r.stamp(),
			"component": goModule("application", info.Main.Path, r.version),
		},
		"components": parts,
	}, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(r.out, "brio_"+r.version+".cdx.json"), append(doc, '\n'), 0o644)
}
