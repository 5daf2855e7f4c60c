// Package pack writes Go values as bytes and reads them back, for results that the compiler keeps from one build to
// the next.
//
// A value enters: structs of exported fields, slices, maps by text, pointers, scalars, and types that are texts of
// themselves ([encoding.TextMarshaler]). Bytes leave, and the same value gives the same bytes. Nothing in the bytes
// says what they hold: a struct is its fields in order, without names, and every text stands once in a table to which
// the rest refers. So they are read only by a program whose types are the ones that wrote them, which [Codec.Shape] tells:
// it is part of the key under which bytes are kept.
//
// CBOR, which the artifact is written in, was refused: with keys of fields it is three times as long, and decoding a
// thousand units takes longer than the whole rest of a build in which one file changed. A codec written by hand for
// each type was refused because a field that somebody adds and forgets there would be lost without a word.
//
// Bytes may be damaged. [Codec.Decode] checks every length against what is left before it allocates, bounds nesting, and
// refuses whatever [Codec.Encode] would not have written.
package pack

import (
	"encoding"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"unsafe"
)

// ErrDamaged: the bytes are not what Encode wrote of a value of that type.
var ErrDamaged = errors.New("the bytes are damaged")

// ErrType: a value holds a type that cannot be written.
var ErrType = errors.New("a type cannot be packed")

// maxDepth bounds nesting of values.
const maxDepth = 200

// Codec writes and reads the values of one type. It is immutable.
type Codec[T any] struct {
	c     *codec
	shape string
}

// Of returns the codec of a type. Unexported fields are an error, unless their tag is `pack:"-"`: what is lost must be
// lost knowingly.
func Of[T any]() (*Codec[T], error) {
	t := reflect.TypeFor[T]()
	c, err := build(t, map[reflect.Type]*codec{})
	if err != nil {
		return nil, err
	}
	var b strings.Builder
	shape(&b, t, map[reflect.Type]bool{})
	return &Codec[T]{c, b.String()}, nil
}

// Shape describes the type in full: codecs with equal shapes read each other's bytes.
func (c *Codec[T]) Shape() string { return c.shape }

// Encode returns the bytes of a value. The error says which of its types cannot be written.
func (c *Codec[T]) Encode(v *T) ([]byte, error) {
	e := encoder{refs: map[string]uint64{}}
	if err := c.c.encode(&e, reflect.ValueOf(v).Elem(), 0); err != nil {
		return nil, err
	}
	out := binary.AppendUvarint(nil, uint64(len(e.texts)))
	for _, s := range e.texts {
		out = binary.AppendUvarint(out, uint64(len(s)))
	}
	for _, s := range e.texts {
		out = append(out, s...)
	}
	return append(out, e.body...), nil
}

// Decode reads a value. The value shares the memory of the bytes, which must not change afterwards.
func (c *Codec[T]) Decode(b []byte) (*T, error) {
	d := decoder{rest: b}
	n, err := d.length(1)
	if err != nil {
		return nil, err
	}
	lengths := make([]int, n)
	for i := range lengths {
		if lengths[i], err = d.length(0); err != nil {
			return nil, err
		}
	}
	d.texts = make([]string, n)
	for i, l := range lengths {
		if l > len(d.rest) {
			return nil, ErrDamaged
		}
		d.texts[i] = unsafe.String(unsafe.SliceData(d.rest), l)
		d.rest = d.rest[l:]
	}
	to := new(T)
	if err := c.c.decode(&d, reflect.ValueOf(to).Elem(), 0); err != nil {
		return nil, err
	}
	if len(d.rest) > 0 {
		return nil, ErrDamaged
	}
	return to, nil
}

func shape(b *strings.Builder, t reflect.Type, seen map[reflect.Type]bool) {
	if seen[t] {
		b.WriteString(t.String())
		return
	}
	if isText(t) {
		b.WriteString("text:" + t.String())
		return
	}
	switch t.Kind() {
	case reflect.Struct:
		seen[t] = true
		b.WriteString("{")
		for i := range t.NumField() {
			if f := t.Field(i); f.Tag.Get("pack") != "-" {
				b.WriteString(f.Name + " ")
				shape(b, f.Type, seen)
				b.WriteString(";")
			}
		}
		b.WriteString("}")
	case reflect.Pointer, reflect.Slice, reflect.Array:
		fmt.Fprintf(b, "%s(%d ", t.Kind(), t.Size())
		shape(b, t.Elem(), seen)
		b.WriteString(")")
	case reflect.Map:
		b.WriteString("map(")
		shape(b, t.Key(), seen)
		b.WriteString(" ")
		shape(b, t.Elem(), seen)
		b.WriteString(")")
	default:
		b.WriteString(t.Kind().String())
	}
}

type encoder struct {
	body  []byte
	refs  map[string]uint64
	texts []string
}

func (e *encoder) text(s string) {
	ref, ok := e.refs[s]
	if !ok {
		ref = uint64(len(e.texts))
		e.refs[s] = ref
		e.texts = append(e.texts, s)
	}
	e.body = binary.AppendUvarint(e.body, ref)
}

type decoder struct {
	rest  []byte
	texts []string
}

func (d *decoder) uvarint() (uint64, error) {
	if len(d.rest) > 0 && d.rest[0] < 0x80 { // most are
		v := d.rest[0]
		d.rest = d.rest[1:]
		return uint64(v), nil
	}
	v, n := binary.Uvarint(d.rest)
	if n <= 0 || n > 1 && d.rest[n-1] == 0 { // too short, too large, or not as short as can be
		return 0, ErrDamaged
	}
	d.rest = d.rest[n:]
	return v, nil
}

// length reads a number of things that take at least so many bytes each.
func (d *decoder) length(least int) (int, error) {
	v, err := d.uvarint()
	if err != nil || v > math.MaxInt32 || int(v)*least > len(d.rest) {
		return 0, ErrDamaged
	}
	return int(v), nil
}

func (d *decoder) text() (string, error) {
	ref, err := d.uvarint()
	if err != nil || ref >= uint64(len(d.texts)) {
		return "", ErrDamaged
	}
	return d.texts[ref], nil
}

// codec writes and reads the values of one type. least is the least number of bytes that a value takes.
type codec struct {
	least  int
	encode func(e *encoder, v reflect.Value, depth int) error
	decode func(d *decoder, v reflect.Value, depth int) error
}

// build makes the codec of a type; open holds those of the types around it, which it may refer back to.
func build(t reflect.Type, open map[reflect.Type]*codec) (*codec, error) {
	if c, ok := open[t]; ok {
		return c, nil
	}
	c := &codec{least: 1}
	open[t] = c
	if isText(t) {
		ofText(c)
		return c, nil
	}
	switch t.Kind() {
	case reflect.Bool:
		c.encode = func(e *encoder, v reflect.Value, _ int) error {
			n := byte(0)
			if v.Bool() {
				n = 1
			}
			e.body = append(e.body, n)
			return nil
		}
		c.decode = func(d *decoder, v reflect.Value, _ int) error {
			n, err := d.uvarint()
			if err != nil || n > 1 {
				return ErrDamaged
			}
			v.SetBool(n == 1)
			return nil
		}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		c.encode = func(e *encoder, v reflect.Value, _ int) error {
			e.body = binary.AppendVarint(e.body, v.Int())
			return nil
		}
		c.decode = func(d *decoder, v reflect.Value, _ int) error {
			u, err := d.uvarint()
			n := int64(u>>1) ^ -int64(u&1)
			if err != nil || v.OverflowInt(n) {
				return ErrDamaged
			}
			v.SetInt(n)
			return nil
		}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		c.encode = func(e *encoder, v reflect.Value, _ int) error {
			e.body = binary.AppendUvarint(e.body, v.Uint())
			return nil
		}
		c.decode = func(d *decoder, v reflect.Value, _ int) error {
			n, err := d.uvarint()
			if err != nil || v.OverflowUint(n) {
				return ErrDamaged
			}
			v.SetUint(n)
			return nil
		}
	case reflect.Float64:
		c.encode = func(e *encoder, v reflect.Value, _ int) error {
			e.body = binary.AppendUvarint(e.body, math.Float64bits(v.Float()))
			return nil
		}
		c.decode = func(d *decoder, v reflect.Value, _ int) error {
			n, err := d.uvarint()
			v.SetFloat(math.Float64frombits(n))
			return err
		}
	case reflect.String:
		c.encode = func(e *encoder, v reflect.Value, _ int) error {
			e.text(v.String())
			return nil
		}
		c.decode = func(d *decoder, v reflect.Value, _ int) error {
			s, err := d.text()
			v.SetString(s)
			return err
		}
	case reflect.Struct:
		return c, ofStruct(c, t, open)
	case reflect.Slice:
		return c, ofSlice(c, t, open)
	case reflect.Array:
		return c, ofArray(c, t, open)
	case reflect.Map:
		return c, ofMap(c, t, open)
	case reflect.Pointer:
		return c, ofPointer(c, t, open)
	case reflect.Interface:
		if t.NumMethod() > 0 {
			return nil, fmt.Errorf("%w: %s", ErrType, t)
		}
		return c, ofAny(c, open)
	default:
		return nil, fmt.Errorf("%w: %s", ErrType, t)
	}
	return c, nil
}

func isText(t reflect.Type) bool {
	return t.Kind() != reflect.Pointer && t.Kind() != reflect.Interface &&
		reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) &&
		reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextMarshaler]())
}

func ofText(c *codec) {
	c.encode = func(e *encoder, v reflect.Value, _ int) error {
		p := reflect.New(v.Type())
		p.Elem().Set(v)
		m, ok := p.Interface().(encoding.TextMarshaler)
		if !ok {
			return ErrType
		}
		text, err := m.MarshalText()
		if err != nil {
			return err
		}
		e.text(string(text))
		return nil
	}
	c.decode = func(d *decoder, v reflect.Value, _ int) error {
		s, err := d.text()
		if err != nil {
			return err
		}
		u, ok := v.Addr().Interface().(encoding.TextUnmarshaler)
		if !ok || u.UnmarshalText([]byte(s)) != nil {
			return ErrDamaged
		}
		return nil
	}
}

func ofStruct(c *codec, t reflect.Type, open map[reflect.Type]*codec) error {
	type field struct {
		at int
		*codec
	}
	var fields []field
	least := 0
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Tag.Get("pack") == "-" {
			continue
		}
		if !f.IsExported() {
			return fmt.Errorf("%w: %s has the unexported field %s", ErrType, t, f.Name)
		}
		fc, err := build(f.Type, open)
		if err != nil {
			return err
		}
		least += fc.least
		fields = append(fields, field{i, fc})
	}
	if least == 0 {
		return fmt.Errorf("%w: %s is empty", ErrType, t)
	}
	c.least = least
	c.encode = func(e *encoder, v reflect.Value, depth int) error {
		if depth > maxDepth {
			return fmt.Errorf("%w: it nests too deep", ErrType)
		}
		for i := range fields {
			if err := fields[i].encode(e, v.Field(fields[i].at), depth+1); err != nil {
				return err
			}
		}
		return nil
	}
	c.decode = func(d *decoder, v reflect.Value, depth int) error {
		if depth > maxDepth {
			return ErrDamaged
		}
		for i := range fields {
			if err := fields[i].decode(d, v.Field(fields[i].at), depth+1); err != nil {
				return err
			}
		}
		return nil
	}
	return nil
}

// ofSlice writes the length plus one, 0 for nil.
func ofSlice(c *codec, t reflect.Type, open map[reflect.Type]*codec) error {
	ec, err := build(t.Elem(), open)
	if err != nil {
		return err
	}
	bytes := t.Elem().Kind() == reflect.Uint8
	c.encode = func(e *encoder, v reflect.Value, depth int) error {
		if v.IsNil() {
			e.body = append(e.body, 0)
			return nil
		}
		n := v.Len()
		e.body = binary.AppendUvarint(e.body, uint64(n)+1)
		if bytes {
			e.body = append(e.body, v.Bytes()...)
			return nil
		}
		for i := range n {
			if err := ec.encode(e, v.Index(i), depth+1); err != nil {
				return err
			}
		}
		return nil
	}
	c.decode = func(d *decoder, v reflect.Value, depth int) error {
		n, err := d.count(ec.least)
		if err != nil || n < 0 || depth > maxDepth {
			return err
		}
		if bytes {
			v.SetBytes(d.rest[:n:n])
			d.rest = d.rest[n:]
			return nil
		}
		s := reflect.MakeSlice(t, n, n)
		for i := range n {
			if err := ec.decode(d, s.Index(i), depth+1); err != nil {
				return err
			}
		}
		v.Set(s)
		return nil
	}
	return nil
}

// count reads what a slice or a map begins with: its length, or -1 for nil.
func (d *decoder) count(least int) (int, error) {
	n, err := d.uvarint()
	if err != nil || n > math.MaxInt32 || n > 0 && int(n-1)*least > len(d.rest) {
		return 0, ErrDamaged
	}
	return int(n) - 1, nil
}

func ofArray(c *codec, t reflect.Type, open map[reflect.Type]*codec) error {
	n := t.Len()
	if t.Elem().Kind() == reflect.Uint8 {
		c.least = n
		c.encode = func(e *encoder, v reflect.Value, _ int) error {
			if v.CanAddr() {
				e.body = append(e.body, v.Bytes()...)
				return nil
			}
			for i := range n {
				e.body = append(e.body, byte(v.Index(i).Uint()))
			}
			return nil
		}
		c.decode = func(d *decoder, v reflect.Value, _ int) error {
			if n > len(d.rest) {
				return ErrDamaged
			}
			reflect.Copy(v, reflect.ValueOf(d.rest[:n]))
			d.rest = d.rest[n:]
			return nil
		}
		return nil
	}
	ec, err := build(t.Elem(), open)
	if err != nil {
		return err
	}
	c.least = n * ec.least
	c.encode = func(e *encoder, v reflect.Value, depth int) error {
		for i := range n {
			if err := ec.encode(e, v.Index(i), depth+1); err != nil {
				return err
			}
		}
		return nil
	}
	c.decode = func(d *decoder, v reflect.Value, depth int) error {
		for i := range n {
			if err := ec.decode(d, v.Index(i), depth+1); err != nil {
				return err
			}
		}
		return nil
	}
	return nil
}

// ofMap writes entries in order of their keys, which are texts.
func ofMap(c *codec, t reflect.Type, open map[reflect.Type]*codec) error {
	if t.Key().Kind() != reflect.String {
		return fmt.Errorf("%w: %s", ErrType, t)
	}
	ec, err := build(t.Elem(), open)
	if err != nil {
		return err
	}
	c.encode = func(e *encoder, v reflect.Value, depth int) error {
		if v.IsNil() {
			e.body = append(e.body, 0)
			return nil
		}
		keys := v.MapKeys()
		slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
		e.body = binary.AppendUvarint(e.body, uint64(len(keys))+1)
		for _, k := range keys {
			e.text(k.String())
			if err := ec.encode(e, v.MapIndex(k), depth+1); err != nil {
				return err
			}
		}
		return nil
	}
	c.decode = func(d *decoder, v reflect.Value, depth int) error {
		n, err := d.count(1 + ec.least)
		if err != nil || n < 0 || depth > maxDepth {
			return err
		}
		m := reflect.MakeMapWithSize(t, n)
		last := ""
		k, el := reflect.New(t.Key()).Elem(), reflect.New(t.Elem()).Elem()
		for i := range n {
			key, err := d.text()
			if err != nil || i > 0 && key <= last {
				return ErrDamaged
			}
			last = key
			k.SetString(key)
			el.SetZero()
			if err := ec.decode(d, el, depth+1); err != nil {
				return err
			}
			m.SetMapIndex(k, el)
		}
		v.Set(m)
		return nil
	}
	return nil
}

func ofPointer(c *codec, t reflect.Type, open map[reflect.Type]*codec) error {
	ec, err := build(t.Elem(), open)
	if err != nil {
		return err
	}
	c.encode = func(e *encoder, v reflect.Value, depth int) error {
		if v.IsNil() {
			e.body = append(e.body, 0)
			return nil
		}
		e.body = append(e.body, 1)
		return ec.encode(e, v.Elem(), depth+1)
	}
	c.decode = func(d *decoder, v reflect.Value, depth int) error {
		n, err := d.uvarint()
		switch {
		case err != nil || n > 1 || depth > maxDepth:
			return ErrDamaged
		case n == 0:
			return nil
		}
		p := reflect.New(t.Elem())
		v.Set(p)
		return ec.decode(d, p.Elem(), depth+1)
	}
	return nil
}

// What a value of type any holds.
const (
	anyNil = iota
	anyBool
	anyInt
	anyFloat
	anyText
	anyList
	anyMap
)

// ofAny is for values as JSON has them: nil, bool, int64, float64, string, []any, map[string]any.
func ofAny(c *codec, open map[reflect.Type]*codec) error {
	types := [...]reflect.Type{anyBool: reflect.TypeFor[bool](), anyInt: reflect.TypeFor[int64](), anyFloat: reflect.TypeFor[float64](),
		anyText: reflect.TypeFor[string](), anyList: reflect.TypeFor[[]any](), anyMap: reflect.TypeFor[map[string]any]()}
	inner := make([]*codec, len(types))
	for i := anyBool; i < len(types); i++ {
		var err error
		if inner[i], err = build(types[i], open); err != nil {
			return err
		}
	}
	c.encode = func(e *encoder, v reflect.Value, depth int) error {
		if v.IsNil() {
			e.body = append(e.body, anyNil)
			return nil
		}
		v = v.Elem()
		i := slices.Index(types[:], v.Type())
		if i < 0 || depth > maxDepth {
			return fmt.Errorf("%w: %s", ErrType, v.Type())
		}
		e.body = append(e.body, byte(i))
		return inner[i].encode(e, v, depth+1)
	}
	c.decode = func(d *decoder, v reflect.Value, depth int) error {
		i, err := d.uvarint()
		switch {
		case err != nil || i >= uint64(len(types)) || depth > maxDepth:
			return ErrDamaged
		case i == anyNil:
			return nil
		}
		x := reflect.New(types[i]).Elem()
		if err := inner[i].decode(d, x, depth+1); err != nil {
			return err
		}
		v.Set(x)
		return nil
	}
	return nil
}
