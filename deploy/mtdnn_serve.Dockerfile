# Not built here.
FROM python:3.13-slim
COPY pyproject.toml README.md LICENSE /source/
COPY mtdnn_tf /source/mtdnn_tf
COPY flags/presets /source/flags/presets
RUN pip install --no-cache-dir '/source[serve]' && rm -r /source && useradd --create-home mtdnn
USER mtdnn
ENTRYPOINT ["mtdnn", "serve"]
