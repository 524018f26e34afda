"""The stages of step 4, "final": each from the enhanced scene and what was advised to its own record.

plan       ReconstructionAdvice      what the advisor says of parameters, texture and fusion
tune       Tuning                    the parameters, searched for from there
rebuild    Rebuilt                   the enhanced scene at these parameters
texture    Textured                  its texture, improved
synthesis  Final                     everything fused
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from diorama.advice import TITLES, ReconstructionAdvice, SceneAdvice, Tuning
from diorama.errors import ModelError
from diorama.settings import Settings
from diorama.types import Bool, Final, Float32, Layered, PointCloud, Progress, Rebuilt, Scene, Textured, UInt8

if TYPE_CHECKING:
    from diorama.texture.generate import Painter

Layers = Callable[[PointCloud, Settings], Rebuilt]
"""Makes cuts and layers anew."""

STRONGER = 1.2
"""Factor on differences of inverse depth from which surfaces are cut anew: jumps too small for a cut become as much
larger, and what bridged them is stretched."""


def plan(scene: Scene, advice: SceneAdvice) -> tuple[ReconstructionAdvice, str, str, tuple[str, ...]]:
    """Ask the advisor the second question."""
    from diorama import advisor

    assert scene.segments is not None
    question = advisor.ReconstructionQuestion(scene, advice)
    found = advisor.advise(question, scene.settings.advisor)
    return found.advice, found.advice.adviser, found.reason, found.warnings


def tune(
    scene: Scene, advice: SceneAdvice, plan: ReconstructionAdvice, progress: Progress
) -> tuple[Tuning, str, str, tuple[str, ...]]:
    """Search for the parameters."""
    from diorama import optimize

    if scene.settings.optimize == "off":
        return optimize.unchanged(scene), "off", "The parameters stay as they were.", ()
    found, warnings = optimize.optimize(scene, advice, plan, lambda share: progress("tune", share, "Rebuilding"))
    return found, optimize.METHOD, found.reason, warnings


def rebuild(scene: Scene, tuning: Tuning, layers: Layers) -> tuple[Rebuilt, str, str, tuple[str, ...]]:
    """Bring the enhanced scene to the tuned parameters: moved in space and smoothed where that is all, else cut and
    layered anew."""
    from diorama import optimize
    from diorama.synthesis import follow

    answer, said = _second_look(scene, tuning)
    again = [name for name in ("cut_threshold", "smoothing") if getattr(tuning, name) != getattr(scene.settings, name)]
    if tuning.gain > STRONGER:
        again.append("depth_range")
    if tuning.camera_travel > scene.settings.camera_travel:  # for a shorter way there is enough imagined already
        again.append("camera_travel")
    if again and again != ["smoothing"]:
        changes = {name: getattr(tuning, name) for name in again if name != "depth_range"}
        # The points are smooth already, as far as the user set it: not twice.
        settings = scene.settings.changed(**{"smoothing": 0.0, **changes})
        points = optimize.moved_points(scene.points, tuning)
        if answer is not None:
            points = follow.followed_points(points, scene.cuts, answer, tuning.second_look, scene.depth.sky)
        names = ", ".join(TITLES[name] for name in again)
        return layers(points, settings), "layers", f"cut and layered anew for another {names}", said
    assert scene.atlas is not None
    points = optimize.moved_points(scene.points, tuning)
    meshes = tuple(optimize.moved_mesh(mesh, scene.points.camera, tuning) for mesh in scene.meshes)
    reason = "what step 3 made, as it was" if points is scene.points else "step 3's surfaces, moved in space"
    layered = Layered(scene.atlas, meshes, scene.imagined)
    if answer is not None:
        share, sky = tuning.second_look, scene.depth.sky
        points, layered = follow.followed(points, scene.cuts, layered, answer, share, sky)
        reason = "step 3's surfaces, moved towards what a second look saw"
    if tuning.smoothing > scene.settings.smoothing:
        from diorama.synthesis.relax import relaxed

        points, layered = relaxed(points, scene.cuts, layered, tuning.smoothing)
        reason += ", smoothed where they are"
    return Rebuilt(points, scene.cuts, layered), "projective", reason, said


def _second_look(scene: Scene, tuning: Tuning) -> tuple[Float32 | None, tuple[str, ...]]:
    """What the second look saw, where one is wanted, and warnings."""
    if tuning.second_look <= 0:
        return None, ()
    from diorama.depth.second_look import look_again

    try:
        return look_again(scene.points.rgb), ()
    except ModelError as error:
        return None, (f"There was no second look at the depth: {error.message}",)


def texture(
    scene: Scene, rebuilt: Rebuilt, plan: ReconstructionAdvice, fetch: bool, progress: Progress
) -> tuple[Textured, str, str, tuple[str, ...]]:
    """Improve the texture as far as advised."""
    from diorama import texture as textures

    if scene.settings.texture == "off":
        return Textured(rebuilt.layered.atlas), "off", "The photo's own pixels.", ()
    return textures.improve(
        rebuilt, scene, plan, paint=lambda: _painter(scene.settings, fetch, progress), progress=progress
    )


def _painter(settings: Settings, fetch: bool, progress: Progress) -> Painter | None:
    """What paints imagined parts anew: the inpainter of the settings, where it is better than the bundled one."""
    from diorama import inpaint
    from diorama.texture.generate import Painter

    name, reason = inpaint.choose(
        settings.inpaint, fetch=fetch, progress=lambda _stage, share, said: progress("texture", share, said)
    )
    if name == "bundled":
        return None

    def fill(rgb: UInt8, hole: Bool, known: Bool, prompt: str) -> UInt8:
        return inpaint.fill(rgb, hole, known, model=name, prompt=prompt)

    return Painter(name, reason, inpaint.takes_words(name), fill)


def synthesis(
    scene: Scene,
    rebuilt: Rebuilt,
    textured: Textured,
    advice: SceneAdvice,
    plan: ReconstructionAdvice,
    tuning: Tuning,
) -> tuple[Final, str, str, tuple[str, ...]]:
    """Fuse everything into one scene."""
    from diorama import optimize
    from diorama import synthesis as fusion

    found = replace(rebuilt, layered=replace(rebuilt.layered, atlas=textured.atlas))
    said = (*textured.outcomes, *optimize.outcomes(scene, advice, plan, tuning))
    final, warnings = fusion.fuse(found, scene, advice, plan, said)
    return final, "synthesis", "layers, segments and advice fused", warnings
