package market

import (
	"fmt"
	"slices"
	"strings"
)

const (
	// maxLabels is how many labels an offer has and a job wants, maxLabel how long
	// one is.
	maxLabels = 16
	maxLabel  = 64
)

// Labels are what a seller says of itself, such as region=eu: names and values of
// letters, digits, dots, hyphens and underscores with a = between, the name in
// lower case and not empty; at most 16 of at most 64 bytes, sorted, no name twice.
// They are the seller's word: nobody can check them.
type Labels []string

// Sorted is l in the order in which labels are written.
func (l Labels) Sorted() Labels { return slices.Sorted(slices.Values(l)) }

// Check says what is wrong with the labels.
func (l Labels) Check() error {
	if len(l) > maxLabels {
		return fmt.Errorf("%d labels, want at most %d", len(l), maxLabels)
	}
	last := ""
	for _, text := range l {
		name, value, found := strings.Cut(text, "=")
		switch {
		case len(text) > maxLabel:
			return fmt.Errorf("the label %.16q… has %d bytes, want at most %d", text, len(text), maxLabel)
		case !found || name == "" || !plain(name):
			return fmt.Errorf("the label %q is not NAME=VALUE with a name of a-z, 0-9, dots, hyphens and underscores", text)
		case !plain(strings.ToLower(value)):
			return fmt.Errorf("the label %q has a value with other than letters, digits, dots, hyphens and underscores", text)
		case name <= last:
			return fmt.Errorf("the labels are not sorted, or %q is there twice", name)
		}
		last = name
	}
	return nil
}

// resellLabel is the name of the label of a seller that resells, whose value is
// its share in percent. Who does not know it sees a label like any other.
const resellLabel = "resell"

// labels are what the policy's offers say, sorted.
func (p Policy) labels() Labels {
	if p.Resell == 0 {
		return p.Labels
	}
	return append(Labels{fmt.Sprintf("%s=%d", resellLabel, p.Resell)}, p.Labels...).Sorted()
}

// resell says whether they are of a seller that resells.
func (l Labels) resell() bool {
	return slices.ContainsFunc(l, func(text string) bool { return strings.HasPrefix(text, resellLabel+"=") })
}

func plain(text string) bool {
	return strings.IndexFunc(text, func(c rune) bool { return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyz0123456789.-_", c) }) < 0
}

// lacks are the labels of want that l does not have.
func (l Labels) lacks(want Labels) Labels {
	return slices.DeleteFunc(slices.Clone(want), func(w string) bool { return slices.Contains(l, w) })
}

// labelled splits sellers in those whose offer has all labels that the job wants,
// and what is to say of the others.
func (s Spec) labelled(all []known) (sellers []known, out []quotedRefusal) {
	for _, k := range all {
		if lacks := k.Offer.Labels.lacks(s.Labels); len(lacks) > 0 {
			no := refuse(Unlabelled, "it is not labelled %s", strings.Join(lacks, ","))
			if len(k.Offer.Labels) > 0 {
				no.Text += ", but " + strings.Join(k.Offer.Labels, ",")
			}
			no.Text = clip(no.Text)
			out = append(out, quotedRefusal{quoted{known: k}, no})
			continue
		}
		sellers = append(sellers, k)
	}
	return sellers, out
}
