import subprocess
import sys

BLOCK = """
import builtins, sys
blocked = {"torch", "torchvision", "timm", "triton", "cv2", "tensorrt", "pycuda", "skvideo",
           "openvino"}
real = builtins.__import__
def guarded(name, *rest, **named):
    if name.split(".")[0] in blocked:
        raise ImportError(f"{name} is blocked")
    return real(name, *rest, **named)
builtins.__import__ = guarded
"""


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_main_job_needs_no_torch_triton_cv2_tensorrt_or_pycuda() -> None:
    code = """
import streamseg
frames = 0
for result in streamseg.stream("test-pattern:160x96?frames=3"):
    assert result.label_map.shape == (96, 160)
    frames += 1
assert frames == 3
import streamseg.cli.main
print("done")
"""
    assert run(BLOCK + code).strip() == "done"


def test_import_is_light() -> None:
    code = """
import sys, streamseg
heavy = {"av", "onnxruntime", "scipy", "torch", "rich", "pycocotools"}
print(sorted(heavy & set(sys.modules)))
assert "kernels" not in sys.modules and "export" not in sys.modules
assert not [m for m in sys.modules if m.startswith(("streamseg.drawing.", "streamseg.formats."))]
"""
    assert run(code).strip() == "[]"


def test_training_without_torch_says_what_to_install() -> None:
    code = """
from streamseg.cli.main import main
raise SystemExit(main(["train", "--data", "nowhere"]))
"""
    done = subprocess.run(
        [sys.executable, "-c", BLOCK + code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "pip install 'streamseg[train]'" in done.stderr
    assert done.stderr.count("\n") == 1
