"""Weights that a user brings: both formats, addresses with a digest, and everything refused."""

import hashlib
import http.server
import pickle
import re
import threading
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from genarium.data import download, pretrained
from genarium.errors import UserError
from genarium.evaluation.evaluate import evaluate_images
from genarium.evaluation.extractors import graphdef
from genarium.evaluation.extractors.by_name import extractor
from genarium.evaluation.extractors.extractor import Extractor
from genarium.evaluation.extractors.inception_weights import from_graph
from tests.evaluation.test_inception import random_graph

torch.set_num_threads(1)


def one_line(match):
    return pytest.raises(UserError, match=rf"\A(?=.*{match})[^\n]*\Z")


@pytest.fixture(scope="module")
def graph():
    return random_graph()


@pytest.fixture(scope="module")
def safetensors(graph, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "inception.safetensors"
    save_file(from_graph(graph), path)
    return path


# ---------------------------------------------------------------------------------------------
# The extractor


def pictures(*shape, seed=0):
    draw = torch.Generator().manual_seed(seed)
    return torch.randint(256, shape, generator=draw).to(torch.uint8)


def test_both_files_give_the_same_extractor(graph, safetensors, tmp_path):
    path = tmp_path / "classify_image_graph_def.pb"
    path.write_bytes(message_of(graph))
    ours, theirs = (extractor("inception", weights=str(p)) for p in (safetensors, path))
    assert ours.hash == theirs.hash
    assert (ours.name, ours.dims, ours.classes) == ("inception", 2048, ())
    images = pictures(1, 1, 16, 16)
    result = ours(images)
    assert result.pool.shape == (1, 2048)
    assert result.logits.shape == (1, 1008)
    for one, other in zip(result, theirs(images.expand(1, 3, 16, 16)), strict=True):
        assert torch.equal(one, other)
    changed = dict(from_graph(graph))
    changed["fc.weight"] = changed["fc.weight"].clone()
    changed["fc.weight"][7, 7] += 1e-3
    save_file(changed, tmp_path / "other.safetensors")
    assert extractor("inception", weights=str(tmp_path / "other.safetensors")).hash != ours.hash


class Halves(nn.Module):
    def forward(self, x):
        return x.flatten(1)[:, :2], x.flatten(1)


def test_inception_scores_without_the_classes_of_the_images(safetensors):
    chosen = extractor("inception", weights=str(safetensors))
    assert chosen.soft_classes == chosen.outputs == 1008
    made = Extractor(
        "halves", "0" * 12, (), 2, "none", Halves(), lambda x: x.float() / 9, outputs=4,
        soft_classes=4,
    )  # fmt: skip
    labels = torch.zeros(40, dtype=torch.int64)
    images, reference = pictures(40, 1, 2, 2), pictures(40, 1, 2, 2, seed=1)
    scores = evaluate_images(images, reference, labels=labels, extractor=made)
    assert scores.get("FID (halves)").basis["extractor"] == f"halves {'0' * 12}"
    assert 1 < scores.get("IS (halves)").value <= 4
    assert scores.get("recognised") is scores.get("classes found") is None
    assert not any("is right about" in warning for warning in scores.warnings)
    plain = evaluate_images(images, reference, extractor=replace(made, soft_classes=0))
    assert plain.get("IS (halves)") is None


@pytest.mark.parametrize("name", ["inception", "dinov2"])
def test_without_weights_it_says_where_they_are(name):
    with one_line(f"--extractor {name}: .*--weights PATH.*docs/evaluation.md"):
        extractor(name)


def test_shipped_extractors_take_no_weights():
    with one_line("--weights x.safetensors: .*digits"):
        extractor("digits", weights="x.safetensors")


# ---------------------------------------------------------------------------------------------
# Files that are refused


def test_no_such_file(tmp_path):
    with one_line("nothing.safetensors: no such file"):
        extractor("inception", weights=str(tmp_path / "nothing.safetensors"))
    with one_line("no such file"):
        extractor("dinov2", weights=str(tmp_path))


class Bomb:
    def __reduce__(self):
        return pytest.fail, ("the pickle was opened",)


def pickled(path, protocol):
    path.write_bytes(pickle.dumps(Bomb(), protocol=protocol))


def zipped(path, protocol):
    torch.save({"a": Bomb()}, path)


@pytest.mark.parametrize("protocol", [2, 5])
@pytest.mark.parametrize("name", ["w.pth", "w.PT", "w.ckpt", "w.bin", "w.safetensors", "w.pb"])
@pytest.mark.parametrize("write", [pickled, zipped])
def test_pickles_are_never_opened(tmp_path, name, write, protocol):
    write(tmp_path / name, protocol)
    with one_line("pickle.*not opened.*safetensors"):
        extractor("inception", weights=str(tmp_path / name))


def test_the_archive_is_to_be_unpacked(tmp_path):
    (tmp_path / "inception-2015-12-05.tgz").write_bytes(b"\x1f\x8b\x08\x00" + bytes(20))
    with one_line("unpack.*classify_image_graph_def.pb"):
        extractor("inception", weights=str(tmp_path / "inception-2015-12-05.tgz"))


@pytest.mark.parametrize("keep", [0, 5, 100, -1])
def test_a_damaged_file(safetensors, tmp_path, keep):
    path = tmp_path / "cut.safetensors"
    with safetensors.open("rb") as stream:
        path.write_bytes(stream.read(keep if keep >= 0 else 10**6))
    with one_line("not a whole safetensors file"):
        extractor("inception", weights=str(path))


def linear(**changes):
    given = {"weight": torch.ones(2, 3), "bias": torch.zeros(2), **changes}
    return {k: v for k, v in given.items() if v is not None}


@pytest.mark.parametrize(
    ("tensors", "match"),
    [
        (linear(bias=None), "lacks bias;"),
        (linear(more=torch.ones(1)), "also holds more;"),
        (linear(weight=torch.ones(3, 2)), re.escape("weight [3, 2] instead of [2, 3]")),
        (linear(bias=torch.tensor([0.0, torch.nan])), "NaN or infinity in bias"),
        (linear(**{f"k{i}": torch.ones(1) for i in range(5)}), "k0, k1, k2 and 2 more"),
    ],
)
def test_weights_of_another_network_are_one_line(tmp_path, tensors, match):
    path = tmp_path / "mine.safetensors"
    save_file(tensors, path)
    with one_line(f"mine.safetensors: .*{match}"):
        pretrained.fit(nn.Linear(3, 2), pretrained.read(path), path)


def test_half_precision_and_counters_are_taken(tmp_path):
    network = nn.Sequential(nn.BatchNorm1d(2))
    state = {"0.weight": torch.tensor([1.5, 2.5]).half(), "0.bias": torch.zeros(2)}
    state |= {"0.running_mean": torch.ones(2), "0.running_var": torch.ones(2)}
    for extra in ({}, {"0.num_batches_tracked": torch.tensor(3)}):
        pretrained.fit(network, {**state, **extra}, tmp_path)
        assert network[0].weight.tolist() == [1.5, 2.5]
        assert network[0].num_batches_tracked == 0  # it would enter the hash


# ---------------------------------------------------------------------------------------------
# Addresses


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked += 1
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *args):
        pass


@pytest.fixture
def server(monkeypatch, tmp_path):
    monkeypatch.setenv("GENARIUM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(download, "TIMEOUT", 5)
    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.asked, httpd.body = 0, b"numbers"
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield httpd
    httpd.shutdown()
    httpd.server_close()
    thread.join()


def test_an_address_is_downloaded_once_and_checked(server):
    digest = hashlib.sha256(server.body).hexdigest()
    address = f"http://127.0.0.1:{server.server_port}/a/w.safetensors#sha256={digest}"
    for _ in range(2):
        path = pretrained.locate(address, progress=False)
        assert path.read_bytes() == b"numbers"
        assert path.name == "w.safetensors"
    assert server.asked == 1
    path.write_bytes(b"changed")
    assert pretrained.locate(address, progress=False).read_bytes() == b"numbers"


def test_another_content_is_refused(server):
    address = f"http://127.0.0.1:{server.server_port}/w.safetensors#sha256={'0' * 64}"
    with one_line("SHA-256.*--weights PATH"):
        pretrained.locate(address, progress=False)


@pytest.mark.parametrize(
    ("address", "match"),
    [
        ("https://host.invalid/w.safetensors", "add #sha256="),
        ("https://host.invalid/w.safetensors#sha256=12ab", "64 hex digits"),
        ("ftp://host.invalid/w.safetensors#sha256=" + "0" * 64, "https://"),
        ("https://host.invalid/w.pth#sha256=" + "0" * 64, "pickle"),
    ],
)
def test_an_address_needs_a_digest(address, match):
    with one_line(match):
        pretrained.locate(address, progress=False)


# ---------------------------------------------------------------------------------------------
# Frozen graphs, written by TensorFlow's own message classes


def message_of(constants):
    graph_pb2 = pytest.importorskip("tensorboard.compat.proto.graph_pb2")
    graph = graph_pb2.GraphDef()
    graph.node.add(name="input", op="Placeholder")
    for name, value in constants.items():
        node = graph.node.add(name=name, op="Const")
        node.attr["dtype"].type = 1
        tensor = node.attr["value"].tensor
        tensor.dtype = 1
        for size in value.shape:
            tensor.tensor_shape.dim.add(size=size)
        tensor.tensor_content = value.contiguous().numpy().tobytes()
        node = graph.node.add(name=f"{name}/read", op="Identity", input=[name])
    return graph.SerializeToString()


def test_constants_of_a_graph(tmp_path):
    graph_pb2 = pytest.importorskip("tensorboard.compat.proto.graph_pb2")
    graph = graph_pb2.GraphDef.FromString(message_of({"w": torch.arange(6.0).view(2, 3)}))
    listed = graph.node.add(name="listed", op="Const").attr["value"].tensor
    listed.dtype = 1
    listed.tensor_shape.dim.add(size=3)
    listed.float_val.extend([1.5, -2.0])  # the last value fills the rest
    whole = graph.node.add(name="whole", op="Const").attr["value"].tensor
    whole.dtype = 3  # int32: not a weight
    whole.int_val.append(4)
    scalar = graph.node.add(name="scalar", op="Const").attr["value"].tensor
    scalar.dtype = 1
    scalar.float_val.append(7.0)
    path = tmp_path / "graph.pb"
    path.write_bytes(graph.SerializeToString())
    result = graphdef.constants(path)
    assert sorted(result) == ["listed", "scalar", "w"]
    assert result["w"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert result["listed"].tolist() == [1.5, -2.0, -2.0]
    assert result["scalar"].tolist() == 7.0


def test_a_short_file_cannot_ask_for_all_memory(tmp_path):
    graph_pb2 = pytest.importorskip("tensorboard.compat.proto.graph_pb2")
    graph = graph_pb2.GraphDef()
    tensor = graph.node.add(name="w", op="Const").attr["value"].tensor
    tensor.dtype = 1
    tensor.float_val.append(1.0)
    for size in (1 << 40, 1 << 40):
        tensor.tensor_shape.dim.add(size=size)
    (tmp_path / "graph.pb").write_bytes(graph.SerializeToString())
    with one_line("not a whole frozen graph"):
        graphdef.constants(tmp_path / "graph.pb")


def test_every_cut_within_a_node_is_found(tmp_path):
    graph_pb2 = pytest.importorskip("tensorboard.compat.proto.graph_pb2")
    whole = message_of({"w": torch.arange(6.0).view(2, 3)})
    nodes = graph_pb2.GraphDef.FromString(whole).node
    between = {graph_pb2.GraphDef(node=nodes[:count]).ByteSize() for count in range(1, len(nodes))}
    path = tmp_path / "graph.pb"
    for end in sorted(set(range(1, len(whole))) - between):
        path.write_bytes(whole[:end])
        with one_line("not a whole frozen graph"):
            graphdef.constants(path)


@pytest.mark.parametrize("content", [b"<html>no</html>", b"\xff" * 50, b"\x0a\x03\x0a\x01\x41"])
def test_what_is_no_graph_of_this_network(tmp_path, content):
    path = tmp_path / "graph.pb"
    path.write_bytes(content)
    with one_line("graph.pb: (not a whole frozen graph|lacks Conv2d_1a_3x3.conv.weight)"):
        extractor("inception", weights=str(path))
