# tarvitpose in a container, for processors or NVIDIA GPUs (docs/scripts.md):
#   docker build --target cpu -t tarvitpose .
#   docker build --target cuda -t tarvitpose:cuda .
# Weights, detector and demo clip are inside; nothing is downloaded when it runs.
ARG PYTHON=3.12

FROM python:${PYTHON}-slim AS source
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_CONSTRAINT=/source/constraints.txt
WORKDIR /source
RUN python -m venv /opt/tarvitpose
ENV PATH=/opt/tarvitpose/bin:${PATH}
COPY pyproject.toml hatch_build.py constraints.txt README.md LICENSE ./
COPY configs configs
COPY examples examples
COPY src src

# GPUs need torch, which pip brings for CUDA on Linux: several GB.
FROM source AS install-cuda
ARG EXTRAS=torch,huggingface
RUN pip install -c constraints.txt ".[${EXTRAS}]"

# Without torch; OpenVINO is what makes processors fast. uv knows where extras that need torch find
# the one without CUDA.
FROM source AS install-cpu
ARG EXTRAS=openvino
RUN pip install uv==0.13.9 \
 && uv pip install --no-cache --torch-backend cpu -c constraints.txt ".[${EXTRAS}]" \
 && pip uninstall --yes uv

FROM python:${PYTHON}-slim AS run
LABEL org.opencontainers.image.title="tarvitpose" org.opencontainers.image.licenses="Apache-2.0 AND BSD-3-Clause"
RUN useradd --create-home --uid 1000 tarvitpose \
 && mkdir -m 1777 /cache /work
ENV PATH=/opt/tarvitpose/bin:${PATH} PYTHONUNBUFFERED=1 \
    XDG_CACHE_HOME=/cache HF_HOME=/cache/huggingface MPLCONFIGDIR=/cache/matplotlib
USER 1000
WORKDIR /work
# As Ctrl-C: what is half-written is removed.
STOPSIGNAL SIGINT
ENTRYPOINT ["tarvitpose"]
CMD ["--help"]

FROM run AS cuda
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
COPY --from=install-cuda /opt/tarvitpose /opt/tarvitpose

FROM run AS cpu
COPY --from=install-cpu /opt/tarvitpose /opt/tarvitpose
