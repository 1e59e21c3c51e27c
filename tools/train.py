"""`mtdnn train` without an installation."""

from mtdnn_tf.commands.making.train import COMMAND

if __name__ == "__main__":
    COMMAND.run()
