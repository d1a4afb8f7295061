"""Reads one resource type out of the published TypeScript bindings of the AWS provider.

The compiled `index.js` of a type lost which attributes are optional, required or computed. Its inline source map still
carries the original TypeScript, and there every attribute has a comment:

    // name - computed: true, optional: true, required: false

Types come from three places: the `...ToHclTerraform` functions and `synthesizeHclAttributes` (arguments), the getter
(attributes that are only computed), and the class of the field's initialiser (nested objects).
"""

import base64
import json
import re
from pathlib import Path

COMMENT = re.compile(r"// (\w+) - computed: (true|false), optional: (true|false), required: (true|false)\n")
HCL_ENTRY = re.compile(
    r'^\s+"?(\w+)"?: \{\n\s+value: .*\n\s+isBlock: \w+,\n\s+type: "(\w+)",\n\s+storageClassType: "(\w+)"',
    re.M,
)
HCL_FUNCTION = re.compile(r"export function (\w+)ToHclTerraform\(.*?\n\}\n", re.S)
NESTED = re.compile(r'= new (cdktf\.)?(\w+)\(this, "\w+"(?:, (true|false))?\)')
ROOT_CLASSES = ("TerraformResource", "TerraformDataSource", "TerraformProvider")

STORAGE = {
    "string": "string",
    "number": "number",
    "boolean": "bool",
    "any": "dynamic",
    "stringMap": ["map", "string"],
    "numberMap": ["map", "number"],
    "booleanMap": ["map", "bool"],
    "anyMap": ["map", "dynamic"],
}
COLLECTIONS = {
    "stringListList": ["list", "string"],
    "stringMapList": ["map", "string"],
}
# The bindings' own collection classes (`cdktf.StringMapList` ...), used for computed collections of collections.
CDKTF_CLASSES = {
    "StringMap": ["map", "string"],
    "BooleanMap": ["map", "bool"],
    "NumberMap": ["map", "number"],
    "StringListMap": ["map", ["list", "string"]],
    "StringMapMap": ["map", ["map", "string"]],
    "StringMapList": ["list", ["map", "string"]],
    "StringListList": ["list", ["list", "string"]],
    "AnyMapList": ["list", ["map", "dynamic"]],
    "BooleanMapList": ["list", ["map", "bool"]],
    "NumberListList": ["list", ["list", "number"]],
}


class Unreadable(Exception):
    """The bindings hold something this reader has no rule for."""


def sources(folder: Path) -> str:
    """The original TypeScript of a type: its index, and its structs where they are split off into files of their own."""
    files = [folder / "index.js", *sorted(folder.glob("index-structs/structs*.js"))]
    texts = []
    for file in files:
        encoded = file.read_text(encoding="utf8").rsplit("base64,", 1)[1].strip()
        texts += json.loads(base64.b64decode(encoded))["sourcesContent"]
    return "\n".join(texts)


class Bindings:
    """The classes and HCL entries of one type's TypeScript."""

    def __init__(self, folder: Path):
        text = sources(folder)
        self.hcl = {m.group(1): _entries(m.group(0)) for m in HCL_FUNCTION.finditer(text)}
        self.classes = {}
        self.root = None
        parts = re.split(r"\nexport class (\w+) extends cdktf\.(\w+) \{", text)
        for name, base, body in zip(parts[1::3], parts[2::3], parts[3::3]):
            self.classes[name] = body
            if base in ROOT_CLASSES:
                self.root = body
        if self.root is None:
            raise Unreadable(f"{folder.name}: no root class")
        self.type_name = re.search(r'tfResourceType = "(\w+)"', self.root).group(1)
        self.root_entries = _entries(self.root[self.root.index("synthesizeHclAttributes") :])

    def schema(self) -> dict:
        """The whole schema, in the layout that schemas/README.md describes."""
        return self._block(self.root, self.root_entries, self.type_name)

    def _block(self, body: str, entries: dict, path: str) -> dict:
        attributes, blocks = {}, {}
        for name, computed, optional, required, chunk in _fields(body):
            here = f"{path}.{name}"
            entry = entries.get(name)
            flags = flags_of(name, computed, optional, required)
            nested = NESTED.search(chunk)
            if not nested:
                attributes[name] = [_simple(chunk, entry, here), flags]
            elif nested.group(1):
                attributes[name] = [_collection(nested, here), flags]
            elif computed:
                # Blocks are never computed: this is an attribute of objects (a security group's `ingress`).
                attributes[name] = [self._attribute_of_objects(nested, entry, here), flags]
            elif entry[0] == "map":
                # The provider has no map-nested blocks, so a map of objects is an attribute as well.
                attributes[name] = [["map", self._object(nested.group(2), here)], flags]
            else:
                blocks[name] = self._nested_block(nested.group(2), entry[0], required, here)
        return block(attributes, blocks)

    def _nested_block(self, class_name: str, kind: str, required: bool, path: str) -> list:
        struct = _struct_of(class_name)
        content = self._block(self.classes[struct + "OutputReference"], self._entries_of(struct), path)
        mode = {"struct": "single", "list": "list", "set": "set"}[kind]
        if mode == "single":
            return [mode, 0, 0, content]
        at_most_one = class_name.endswith("OutputReference")
        return [mode, 1 if required else 0, 1 if at_most_one else 0, content]

    def _attribute_of_objects(self, nested: re.Match, entry, path: str):
        class_name = nested.group(2)
        inner = self._object(class_name, path)
        if class_name.endswith("OutputReference"):
            return inner if entry is None or entry[0] == "struct" else [entry[0], inner]
        if class_name.endswith("Map"):
            return ["map", inner]
        return ["set" if nested.group(3) == "true" else "list", inner]

    def _object(self, class_name: str, path: str) -> list:
        struct = _struct_of(class_name)
        entries = self._entries_of(struct)
        members = {}
        for name, _, _, _, chunk in _fields(self.classes[struct + "OutputReference"]):
            here = f"{path}.{name}"
            nested = NESTED.search(chunk)
            if not nested:
                members[name] = _simple(chunk, entries.get(name), here)
            elif nested.group(1):
                members[name] = _collection(nested, here)
            else:
                members[name] = self._attribute_of_objects(nested, entries.get(name), here)
        return ["object", members]

    def _entries_of(self, struct: str) -> dict:
        return self.hcl.get(struct[0].lower() + struct[1:], {})


def block(attributes: dict, blocks: dict) -> dict:
    """A block in the compact layout: an empty half is left out."""
    result = {}
    if attributes:
        result["a"] = attributes
    if blocks:
        result["b"] = blocks
    return result


def flags_of(name: str, computed: bool, optional: bool, required: bool) -> str:
    """One letter for each flag. Write-only arguments end in `_wo` and are never computed."""
    letters = ("r" if required else "") + ("o" if optional else "") + ("c" if computed else "")
    return letters + ("w" if name.endswith("_wo") and not computed else "")


def provider_schema(folder: Path) -> dict:
    """The provider's own configuration. Its fields carry no flags in the bindings; all of them are optional."""
    bindings = Bindings(folder)
    attributes, blocks = {}, {}
    for name, (kind, storage) in bindings.root_entries.items():
        if name == "alias":
            continue  # Terraform's own meta-argument
        if not storage.startswith("AwsProvider"):
            attributes[name] = [_simple("", (kind, storage), f"provider.{name}"), "o"]
            continue
        struct = storage.removesuffix("List")
        content = {
            inner: [_simple("", entry, f"provider.{name}.{inner}"), "o"]
            for inner, entry in bindings._entries_of(struct).items()
        }
        # One set of tags, one web identity: the provider reads the first only. `endpoints` and `assume_role` may repeat.
        at_most = 1 if name in ("assume_role_with_web_identity", "default_tags", "ignore_tags") else 0
        blocks[name] = ["set" if kind == "set" else "list", 0, at_most, block(content, {})]
    return block(attributes, blocks)


def _entries(text: str) -> dict:
    return {m.group(1): (m.group(2), m.group(3)) for m in HCL_ENTRY.finditer(text)}


def _fields(body: str):
    comments = list(COMMENT.finditer(body))
    ends = [m.start() for m in comments[1:]] + [len(body)]
    for m, end in zip(comments, ends):
        name, computed, optional, required = m.groups()
        yield name, computed == "true", optional == "true", required == "true", body[m.end() : end]


def _struct_of(class_name: str) -> str:
    for suffix in ("OutputReference", "List", "Map"):
        if class_name.endswith(suffix):
            return class_name.removesuffix(suffix)
    raise Unreadable(f"class {class_name} is no nested object")


def _simple(chunk: str, entry, path: str):
    if entry:
        kind, storage = entry
        if kind == "simple":
            return STORAGE[storage]
        if kind == "map" and storage in STORAGE:
            return STORAGE[storage]
        if storage == "stringMapMap":
            return ["map", ["map", "string"]]
        if kind in ("list", "set") and storage in ("stringList", "numberList"):
            return [kind, storage.removesuffix("List")]
        if kind in ("list", "set") and storage in COLLECTIONS:
            return [kind, COLLECTIONS[storage]]
        raise Unreadable(f"{path}: {kind} of {storage}")
    getter = re.search(r"return (.*);", chunk)
    getter = getter.group(1) if getter else ""
    collection = "set" if "Fn.tolist(" in getter else "list"
    for call, kind in (
        ("getStringAttribute", "string"),
        ("getNumberAttribute", "number"),
        ("getBooleanAttribute", "bool"),
        ("getStringMapAttribute", ["map", "string"]),
        ("getNumberMapAttribute", ["map", "number"]),
        ("getBooleanMapAttribute", ["map", "bool"]),
        ("getAnyMapAttribute", ["map", "dynamic"]),
        ("getNumberListAttribute", [collection, "number"]),
        ("getListAttribute", [collection, "string"]),
        ("interpolationForAttribute", "dynamic"),
    ):
        if call in getter:
            return kind
    raise Unreadable(f"{path}: no type in {getter!r}")


def _collection(nested: re.Match, path: str):
    kind = CDKTF_CLASSES.get(nested.group(2))
    if kind is None:
        raise Unreadable(f"{path}: class {nested.group(2)}")
    return ["set", kind[1]] if nested.group(3) == "true" and kind[0] == "list" else kind
