"""Offscreen rendering of an OBJ model with VTK, on the CPU and without a display.

VTK's EGL window is told to use Mesa's software rasteriser (llvmpipe) with vectors of 128 bits, so that
neither a graphics card nor the width of the processor's vector unit changes a pixel. Antialiasing is by
supersampling: the image is rendered `SUPERSAMPLING` times as large and averaged over boxes.

Deviation from the MTL files: ambient colours are ignored (most exporters leave them black), every material
gets the same small ambient part of its diffuse colour.
"""

import os
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from suite.data.builders.furniture_views import Camera, Light, direction

_SOFTWARE_GL = {
    "VTK_DEFAULT_OPENGL_WINDOW": "vtkEGLRenderWindow",
    "LIBGL_ALWAYS_SOFTWARE": "1",
    "GALLIUM_DRIVER": "llvmpipe",
    "LP_NATIVE_VECTOR_WIDTH": "128",
}
# Mesa reads these once, when the first window of the process is made.
os.environ.update(_SOFTWARE_GL)

from vtkmodules.vtkCommonCore import vtkObject, vtkUnsignedCharArray  # noqa: E402
from vtkmodules.vtkIOImport import vtkOBJImporter  # noqa: E402
from vtkmodules.vtkRenderingCore import vtkActor, vtkLight, vtkRenderer  # noqa: E402
from vtkmodules.vtkRenderingOpenGL2 import vtkEGLRenderWindow  # noqa: E402

SUPERSAMPLING = 2
AMBIENT = 0.25


class Stage:
    """One offscreen window, which holds one model at a time.

    Args:
        size: width and height of the images in pixels.
    """

    def __init__(self, size: int) -> None:
        # The importer prints an error for every material that an OBJ file names and its MTL file lacks.
        vtkObject.GlobalWarningDisplayOff()
        self.size = size
        self._window = vtkEGLRenderWindow()
        self._window.SetOffScreenRendering(True)
        self._window.SetMultiSamples(0)
        self._window.SetAlphaBitPlanes(1)
        self._window.SetSize(size * SUPERSAMPLING, size * SUPERSAMPLING)
        self._renderer = self._new_renderer()

    def _new_renderer(self) -> vtkRenderer:
        renderer = vtkRenderer()
        renderer.SetBackground(0.0, 0.0, 0.0)
        renderer.SetBackgroundAlpha(0.0)
        renderer.SetAutomaticLightCreation(False)
        self._window.AddRenderer(renderer)
        return renderer

    def load(self, obj: Path, *, plain: bool = False) -> bool:
        """Replace the model on the stage.

        Args:
            obj: an OBJ file; the MTL file of the same name and the textures lie beside it.
            plain: draw every surface opaque and white, without texture.

        Returns:
            False where the file holds nothing to draw.
        """
        self._renderer.ReleaseGraphicsResources(self._window)
        self._window.RemoveRenderer(self._renderer)
        self._renderer = self._new_renderer()
        importer = vtkOBJImporter()
        importer.SetFileName(str(obj))
        importer.SetFileNameMTL(str(obj.with_suffix(".mtl")))
        importer.SetTexturePath(str(obj.parent))
        importer.SetRenderWindow(self._window)
        importer.Update()
        actors = self._renderer.GetActors()
        for index in range(actors.GetNumberOfItems()):
            actor = cast("vtkActor", actors.GetItemAsObject(index))
            material = actor.GetProperty()
            if plain:
                actor.SetTexture(None)
                material.SetOpacity(1.0)
                material.SetDiffuseColor(1.0, 1.0, 1.0)
                material.SetSpecular(0.0)
            material.SetAmbientColor(material.GetDiffuseColor())
            material.SetAmbient(AMBIENT)
            material.SetDiffuse(1.0 - AMBIENT)
        low, high = self._bounds()
        return bool(np.all(np.isfinite(high - low)) and (high - low).max() > 0)

    def _bounds(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        bounds = np.asarray(self._renderer.ComputeVisiblePropBounds())
        return bounds[0::2], bounds[1::2]

    def render(self, camera: Camera, lights: list[Light]) -> NDArray[np.uint8]:
        """Draw the model.

        Returns:
            (size, size, 4) image with alpha, its colours premultiplied by alpha.
        """
        self._aim(camera)
        self._renderer.RemoveAllLights()
        for light in lights:
            lamp = vtkLight()
            lamp.SetLightTypeToSceneLight()
            lamp.SetPositional(False)
            lamp.SetFocalPoint(0.0, 0.0, 0.0)
            lamp.SetPosition(*direction(camera.azimuth + light.azimuth, light.elevation))
            lamp.SetColor(*light.colour)
            self._renderer.AddLight(lamp)
        self._window.Render()
        pixels = vtkUnsignedCharArray()
        edge = self.size * SUPERSAMPLING
        self._window.GetRGBACharPixelData(0, 0, edge - 1, edge - 1, 0, pixels)
        # Rows come from the bottom.
        raw: NDArray[np.uint8] = np.frombuffer(pixels, np.uint8)
        image = raw.reshape(self.size, SUPERSAMPLING, self.size, SUPERSAMPLING, 4)[::-1].astype(np.uint16)
        mean: NDArray[np.uint8] = ((image.sum(axis=(1, 3)) + SUPERSAMPLING**2 // 2) // SUPERSAMPLING**2).astype(
            np.uint8
        )
        return mean

    def _aim(self, view: Camera) -> None:
        low, high = self._bounds()
        centre, radius = (low + high) / 2, float(np.linalg.norm(high - low)) / 2
        camera = self._renderer.GetActiveCamera()
        camera.SetFocalPoint(*centre)
        camera.SetPosition(*(centre + view.distance * radius * direction(view.azimuth, view.elevation)))
        camera.SetViewUp(0.0, 1.0, 0.0)
        camera.SetRoll(view.roll)
        camera.OrthogonalizeViewUp()
        matrix = camera.GetViewTransformMatrix()
        to_view = np.array([[matrix.GetElement(row, column) for column in range(4)] for row in range(3)])
        corners = np.array(
            [[x, y, z, 1.0] for x in (low[0], high[0]) for y in (low[1], high[1]) for z in (low[2], high[2])]
        )
        seen = corners @ to_view.T
        reach = float(np.max(np.abs(seen[:, :2]) / -seen[:, 2:]))
        camera.SetViewAngle(2 * np.rad2deg(np.arctan(reach / view.fill)))
        camera.SetWindowCenter(-view.shift[0], -view.shift[1])
        camera.SetClippingRange(max(view.distance - 1.0, 0.05) * radius, (view.distance + 1.0) * radius)

    def close(self) -> None:
        """Give the window's resources back."""
        self._renderer.ReleaseGraphicsResources(self._window)
        self._window.Finalize()

    def capabilities(self) -> str:
        """Return the renderer string of OpenGL, such as ``llvmpipe (LLVM 15.0.6, 128 bits)``."""
        self._window.Render()
        lines: list[str] = self._window.ReportCapabilities().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("OpenGL renderer string"))
