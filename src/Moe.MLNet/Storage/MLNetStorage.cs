using Microsoft.ML;
using Moe.Classical;

namespace Moe.MLNet;

/// <summary>Makes experts of this package readable from files, and mixtures from ML.NET's models.</summary>
/// <remarks>
/// <para><c>MLContext.Model.Save</c> saves a pipeline with a <see cref="MixtureTransformer"/> in it, and <c>MLContext.Model.Load</c> reads it back in any program that
/// has this package beside it. What plain loading gives answers the same, with two differences: row by row, which is slow for many rows, and with a Score for classes that
/// is a vector of unknown size. <see cref="Load(MLContext, Stream, out DataViewSchema)"/> and <see cref="Restore"/> give the transformer itself, without these.</para>
/// <para>A mixture is saved if all its experts are <see cref="IStoredExpert"/>s. Kinds of your own must be made known by <see cref="StoredExperts.Register"/> before reading.</para>
/// </remarks>
public static class MLNetStorage
{
    /// <summary>Lets <see cref="StoredExperts"/> and <see cref="ExpertFile"/> read <see cref="MLNetExpert"/>s. Call it once when the program starts; again does no harm.</summary>
    public static void Register() => StoredExperts.Register(MLNetExpert.Kind, MLNetExpert.FromState);

    /// <summary>Loads a model that ML.NET saved, with its mixtures as they were fitted.</summary>
    /// <param name="context">ML.NET's context.</param>
    /// <param name="stream">The model; must be able to seek.</param>
    /// <param name="inputSchema">The schema that the model was saved with.</param>
    public static ITransformer Load(MLContext context, Stream stream, out DataViewSchema inputSchema)
    {
        ArgumentNullException.ThrowIfNull(context);
        ArgumentNullException.ThrowIfNull(stream);
        return Restore(context.Model.Load(stream, out inputSchema));
    }

    /// <summary>Loads a model that ML.NET saved, with its mixtures as they were fitted.</summary>
    /// <param name="context">ML.NET's context.</param>
    /// <param name="path">The model's file.</param>
    /// <param name="inputSchema">The schema that the model was saved with.</param>
    public static ITransformer Load(MLContext context, string path, out DataViewSchema inputSchema)
    {
        using var stream = File.OpenRead(path);
        return Load(context, stream, out inputSchema);
    }

    /// <summary>Gives a model that ML.NET loaded its mixtures back as they were fitted, in pipelines within pipelines too.</summary>
    /// <returns>The model itself if there is no mixture in it.</returns>
    /// <exception cref="ArgumentException">A mixture in it is damaged, or holds an expert of a kind that is not known.</exception>
    public static ITransformer Restore(ITransformer model)
    {
        ArgumentNullException.ThrowIfNull(model);
        return LoadableMixture.Restore(model);
    }
}
