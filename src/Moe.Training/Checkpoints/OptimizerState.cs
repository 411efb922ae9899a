using System.Runtime.InteropServices;
using System.Text;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Moe.Training;

/// <summary>The state of an optimizer as bytes, in TorchSharp's own format.</summary>
internal static class OptimizerState
{
    /// <summary>A tensor of bytes; the caller owns it.</summary>
    public static Tensor ToBytes(OptimizerHelper optimizer) => tensor(Save(optimizer), ScalarType.Byte, CPU);

    /// <summary>Puts the state back; if it does not fit, the optimizer is left as it was.</summary>
    /// <exception cref="InvalidDataException">It is the state of another optimizer, or of other parameters.</exception>
    public static void FromBytes(string path, OptimizerHelper optimizer, Tensor bytes)
    {
        var before = Save(optimizer);
        try
        {
            Load(optimizer, bytes.bytes.ToArray());
        }
        catch (Exception exception) when (exception is ArgumentException or IOException or InvalidDataException or FormatException or OverflowException or ExternalException)
        {
            Load(optimizer, before);
            throw new InvalidDataException(
                $"{path} is of another training: the state of the optimizer does not fit {optimizer.GetType().Name} and its parameters: {exception.Message}", exception);
        }
    }

    private static byte[] Save(OptimizerHelper optimizer)
    {
        using var buffer = new MemoryStream();
        using (var writer = new BinaryWriter(buffer, Encoding.UTF8, leaveOpen: true))
            optimizer.save_state_dict(writer);
        return buffer.ToArray();
    }

    private static void Load(OptimizerHelper optimizer, byte[] state)
    {
        using var scope = NewDisposeScope();
        using var reader = new BinaryReader(new MemoryStream(state));
        optimizer.load_state_dict(reader);
        if (reader.BaseStream.Position != state.Length)
            throw new InvalidDataException($"{state.Length - reader.BaseStream.Position} bytes are left over.");

        // Some optimizers make new tensors here, and leave them to the scope around: they would be dead at the next step.
        foreach (var tensor in scope.DisposablesView.OfType<Tensor>().ToArray())
            tensor.DetachFromDisposeScope();
    }
}
